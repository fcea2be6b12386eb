"""A chart's package depends on its files alone."""

import gzip
import io
import tarfile

import pytest

from tools.chart_archive import make_reproducible

MOMENT = 1_700_000_000
FILES = {"chart/Chart.yaml": b"name: chart\n", "chart/templates/a.yaml": b"a: 1\n"}


def pack(files: dict[str, bytes], moment: int, *, mode: int = 0o600, owner: str = "somebody") -> bytes:
    """An archive as somebody's helm may write it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            record = tarfile.TarInfo(name)
            record.size, record.mtime, record.mode, record.uname = len(content), moment, mode, owner
            archive.addfile(record, io.BytesIO(content))
    return packed.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """Its files, in their order."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        found = {member.name: opened.extractfile(member) for member in opened.getmembers()}
        return {name: content.read() for name, content in found.items() if content is not None}


def test_time_owner_mode_and_order_leave_no_trace() -> None:
    """The same files make the same bytes."""
    one = pack(FILES, 1)
    other = pack(dict(reversed(FILES.items())), 2, mode=0o755, owner="root")
    assert one != other
    assert make_reproducible(one, MOMENT) == make_reproducible(other, MOMENT)


def test_the_files_are_what_they_were() -> None:
    """Names and content; the time is the one given, in the archive and around it."""
    made = make_reproducible(pack(FILES, 1), MOMENT)
    assert FILES == unpack(made)
    with tarfile.open(fileobj=io.BytesIO(made)) as opened:
        assert {(MOMENT, 0o644, 0, "")} == {(one.mtime, one.mode, one.uid, one.uname) for one in opened.getmembers()}
    with gzip.GzipFile(fileobj=io.BytesIO(made)) as stream:
        stream.read(1)
        assert MOMENT == stream.mtime


def test_anything_but_a_file_is_refused() -> None:
    """Nothing is left out in silence."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        record = tarfile.TarInfo("chart/link")
        record.type, record.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(record)
    with pytest.raises(ValueError, match="chart/link is no plain file"):
        make_reproducible(packed.getvalue(), MOMENT)
