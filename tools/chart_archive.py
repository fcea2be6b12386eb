"""A chart package whose bytes depend on its files alone.

`helm package` writes the time of the packing into the archive, so that no two of its packages are the same (seen with
3.22). The same files go into an archive of ours: sorted, with one time for all.

Rules kept here:
- Pure: bytes in, bytes out; the time is an argument.
- Content and names are helm's. What is no plain file is an error: helm packs nothing else.
"""

import gzip
import io
import tarfile
from typing import Final

MODE: Final = 0o644
"""Of every file; helm does not keep modes either when it unpacks."""


def make_reproducible(archive: bytes, moment: int) -> bytes:
    """Write an archive (.tgz) anew.

    Args:
        archive: what helm has packed.
        moment: the time that all its files get, in seconds since 1970.

    Raises:
        ValueError: there is something else in it than files.
    """
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as given,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as made,
    ):
        for member in sorted(given.getmembers(), key=lambda member: member.name):
            content = given.extractfile(member) if member.isreg() else None
            if content is None:
                raise ValueError(f"{member.name} is no plain file")
            record = tarfile.TarInfo(member.name)
            record.size, record.mtime, record.mode = member.size, moment, MODE
            made.addfile(record, content)
    return gzip.compress(packed.getvalue(), mtime=moment)
