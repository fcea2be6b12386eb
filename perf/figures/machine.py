"""What a measurement was made on: without that a number says nothing."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

LIBRARIES: Final = (
    "nats-k8s-oidc-callout",
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
