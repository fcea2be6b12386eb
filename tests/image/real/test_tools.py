"""What programs of others say of the Dockerfile, of the wheels it wants, and of the bill of materials."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.commands import attempt
from tests.pages import ROOT
from tools.release import EPOCH, main

TOOLS: Final = Path(sys.prefix) / "image-tools"
"""Where `make image-check` installs tests/image/real/requirements.txt."""
MINUTES: Final = 60
WHEEL_TAGS: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""What wheels call the platforms that images are for."""
VALIDATE: Final = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()))
"""


def run(*command: str, text: str = "", **variables: str) -> tuple[int, str]:
    """Run a program; return exit code and all that it says."""
    done = attempt(command, env=os.environ | variables, stdin=text, stderr=subprocess.STDOUT, timeout=10 * MINUTES)
    return done.returncode, done.stdout


def test_hadolint_has_nothing_to_say() -> None:
    """Nor has any rule of it been switched off."""
    assert (0, "") == run(str(TOOLS / "bin/hadolint"), "--no-color", "Dockerfile")
    assert "hadolint ignore" not in (ROOT / "Dockerfile").read_text()


def test_hadolint_does_complain() -> None:
    """The check before is one that can fail."""
    ended, said = run(str(TOOLS / "bin/hadolint"), "--no-color", "-", text="FROM debian\nRUN cd /tmp\n")
    assert 0 != ended
    assert "DL3006" in said


@pytest.mark.parametrize("architecture", WHEEL_TAGS)
def test_all_wheels_are_there_for(architecture: str, tmp_path: Path) -> None:
    """Everything in requirements.txt can be had for that platform with its hash, and without compiling."""
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    platforms = [f"manylinux{tag}_{WHEEL_TAGS[architecture]}" for tag in ("2014", "_2_17", "_2_28", "_2_34")]
    ended, said = run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--python-version", version, "--implementation", "cp", "--abi", f"cp{version}"),
        *("--abi", "abi3", "--abi", "none", *(word for platform in platforms for word in ("--platform", platform))),
        *("--dest", str(tmp_path), "-r", "requirements.txt"),
    )
    assert 0 == ended, said
    assert [] == [path.name for path in tmp_path.iterdir() if path.suffix != ".whl"]
    native = [path.name for path in tmp_path.iterdir() if not path.name.endswith("-any.whl")]
    assert native, "some have native code"
    assert [] == [name for name in native if WHEEL_TAGS[architecture] not in name]


def test_the_bill_of_materials_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By CycloneDX's own schema, strictly; and one with an unknown field is not."""
    monkeypatch.setenv(EPOCH, "1700000000")
    assert 0 == main(["--to", str(tmp_path / "dist")])
    [bill] = (tmp_path / "dist").glob("*.cdx.json")
    text = bill.read_text()
    assert (0, "None\n") == run(sys.executable, "-c", VALIDATE, text=text, PYTHONPATH=str(TOOLS))
    ended, said = run(sys.executable, "-c", VALIDATE, text=text.replace('"purl"', '"pearl"'), PYTHONPATH=str(TOOLS))
    assert 0 == ended
    assert "pearl" in said
