"""A crash leaves nothing behind: no process that holds keys writes its memory anywhere when it dies.

Rules kept here:
- The limit is one byte, not none. For a file both are too little; a program that `core_pattern` pipes to gets all of
  the memory at any limit but one (`do_coredump` in Linux's fs/coredump.c).
- Where the limit is lower already and may not be raised, the process becomes one that is never dumped (prctl(2),
  PR_SET_DUMPABLE). That is the second choice, since it hides most of /proc/PID from its own user, and with it what
  tells how much memory is in use.
- What is refused, too, changes nothing: the service runs as well without it.
"""

import ctypes
import resource
from typing import Final

CORE_BYTES: Final = 1
_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of linux/prctl.h


def forbid_dumps() -> None:
    """Keep this process, and those that it starts, from ever being dumped."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (CORE_BYTES, CORE_BYTES))
    except (ValueError, OSError):  # it is 0 already
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
