"""A crash leaves no core file: Linux is told not to write this process's memory anywhere when it dies.

Every command of `callout` asks for it, and every worker: they hold keys.

Rules kept here:
- The limit is one byte, not none. For a file both are too little; a program that `core_pattern` pipes to gets all of
  the memory at any limit but one (`do_coredump` in Linux's fs/coredump.c).
- Where the limit is lower already and may not be raised, the process becomes one that is never dumped (prctl(2),
  PR_SET_DUMPABLE). That is the second choice, since it hides most of /proc/PID from its own user, and with it what
  tells how much memory is in use.
- What is refused, too, changes nothing: the service runs as well without it.
- It promises no more: a program that gets crashes by a socket (`core_pattern` with `@`) asks for no limit, and whoever
  may debug the process reads its memory while it lives.
"""

import ctypes
import resource
from typing import Final

CORE_BYTES: Final = 1
_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of linux/prctl.h


def forbid_dumps() -> None:
    """Keep this process from being dumped; those that it starts inherit the limit, and not the mark."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (CORE_BYTES, CORE_BYTES))
    except (ValueError, OSError):  # it is 0 already
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
