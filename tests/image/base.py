"""What stands for the image's base in the tests: this machine's Python under /usr/local of a folder, readable by all.

The Python that the tests run on may lie where only its owner gets to (a version manager's is in somebody's home), and
has everything of the tests installed. A copy has neither fault: nothing but the interpreter, its library, and pip.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

import pip

PREFIX: Final = Path("usr/local")
_VERSION: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_LEFT_OUT: Final = shutil.ignore_patterns("site-packages", "dist-packages", "test", "idlelib", "turtledemo", "config-*")


def copy_python(root: Path) -> None:
    """Put Python and pip below `root`, as an image of Python has them."""
    prefix = root / PREFIX
    programs = prefix / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    shutil.copy2(Path(sys.base_prefix) / "bin" / _VERSION, programs / _VERSION)
    for name in ("python", "python3"):
        (programs / name).symlink_to(_VERSION)
    library = prefix / "lib" / _VERSION
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=_LEFT_OUT)
    # Where Python is a shared library, that is part of it.
    for shared in Path(sysconfig.get_config_var("LIBDIR")).glob(f"lib{_VERSION}.so*"):
        shutil.copy2(shared, prefix / "lib" / shared.name)
    shutil.copytree(Path(pip.__file__).parent, library / "site-packages/pip")


def link_tree(source: Path, target: Path) -> None:
    """Have the same files once more, without copying them."""
    shutil.copytree(source, target, symlinks=True, copy_function=os.link)


def variables_of(root: Path) -> dict[str, str]:
    """The environment that such an image begins with."""
    prefix = root / PREFIX
    return {
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.defpath}",
        "LANG": "C.UTF-8",
        # In an image the loader knows /usr/local/lib by itself.
        "LD_LIBRARY_PATH": str(prefix / "lib"),
    }
