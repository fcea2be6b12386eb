"""An image built by buildah, without a daemon and without a registry: on a base made here, from Debian's packages.

The base has this machine's Python in the place of the official image's: what is shown is that the Dockerfile builds and
what comes of it, not what a registry holds. `--isolation chroot` needs root and no other rights.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from tests.commands import run
from tests.image.base import copy_python

SUITE: Final = "bookworm"
"""The Debian of the Dockerfile's base."""
LIBRARIES: Final = (
    "ca-certificates",
    "libbz2-1.0",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libncursesw6",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "zlib1g",
)
"""What Python's own modules need."""
NEEDED: Final = ("buildah", "debootstrap")
BASE: Final = "localhost/python:here"
IMAGE: Final = "localhost/nats-k8s-oidc-callout:here"
BUILD_SECONDS: Final = 15 * 60
# How this machine fetches packages: its certificates, and pip's settings, if it has any.
_MACHINES_OWN: Final = ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf")


class Buildah:
    """buildah with a store of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def words(self, *words: str) -> list[str]:
        """A whole command."""
        store = ("--root", str(self._folder / "store"), "--runroot", str(self._folder / "run"))
        return ["buildah", *store, "--storage-driver", "vfs", *words]

    def __call__(self, *words: str) -> str:
        """Run it and return what it prints; `AssertionError` with its own words if it fails."""
        return run(self.words(*words), timeout=BUILD_SECONDS)

    def make_base(self) -> None:
        """Make the base."""
        root = self._folder / "base"
        debootstrap = ("debootstrap", "--variant=minbase", f"--include={','.join(LIBRARIES)}", SUITE, str(root))
        run(debootstrap, timeout=BUILD_SECONDS)
        copy_python(root)
        for name in _MACHINES_OWN:
            if Path("/", name).exists():
                shutil.copy(Path("/", name), root / name)
        run(["chroot", str(root), "ldconfig"])
        container = self("from", "scratch").strip()
        self("copy", "--quiet", container, str(root), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", container, BASE)
        self("rm", container)
        shutil.rmtree(root)

    def build(self, context: Path) -> None:
        """Build the image from the Dockerfile."""
        options = ("--isolation", "chroot", "--pull-never", "--build-arg", f"BASE={BASE}", "--tag", IMAGE)
        self("bud", *options, "--file", str(context / "Dockerfile"), str(context))

    def inspect(self) -> dict[str, Any]:
        """What the image says of itself (the `config` of the OCI's image specification)."""
        described: dict[str, Any] = json.loads(self("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        return described
