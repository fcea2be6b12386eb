"""A disk that is full, as a limit on the size of files makes it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limit_files(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes until the end of the block: a write is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
