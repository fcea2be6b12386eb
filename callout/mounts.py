"""What kind of file system a folder is on, by the kernel's table of mounts.

Format: proc(5), `/proc/[pid]/mounts`, and fstab(5): device, mount point, type, options; spaces and backslashes of a
mount point are written as octal numbers. Of several mounts on one point the last counts, for it hides the others.
"""

import re
from pathlib import PurePath
from typing import Final

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def maybe_find_type(mounts: str, path: PurePath) -> str | None:
    """Find the type of the file system that holds a path, such as "tmpfs"; None if the table does not say.

    Args:
        mounts: the table's text.
        path: absolute, with its links followed.
    """
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = PurePath(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (found is None or depth >= found[0]):
            found = depth, fields[2]
    return found[1] if found else None
