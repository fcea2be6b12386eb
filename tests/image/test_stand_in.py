"""The stand-in follows a Dockerfile as an engine would, as far as our Dockerfile goes, and no further."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.stand_in import build, is_let_in


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder with one file that may get into the build, and one that may not."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "wanted").write_text("wanted\n")
    (folder / "secret").write_text("secret\n")
    (folder / ".dockerignore").write_text("# what\n*\n!wanted\n")
    return folder


@pytest.fixture
def work(folder: Path) -> Iterator[Path]:
    """An empty folder, beside the base."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        yield Path(made)


def test_steps_are_followed_below_the_folder(context: Path, base: Path, work: Path) -> None:
    """Files, variables, folders and a command each do their part; a stage leaves what is taken from it."""
    text = """
FROM base AS build
ENV PLACE=/opt/made
WORKDIR /build
COPY wanted ./
RUN mkdir -p "$PLACE" && cp wanted "$PLACE/here" && python -c 'print("ran")' > "$PLACE/said"
FROM base
ARG VERSION=1
LABEL version="${VERSION}"
COPY --from=build /opt/made /opt/made
ENV PATH=/opt/made:$PATH
USER 1:2
WORKDIR /srv
STOPSIGNAL SIGINT
ENTRYPOINT ["here"]
CMD ["and there"]
"""
    image = build(text, context, base, work)
    assert work / "root" == image.root
    assert ["wanted\n", "ran\n"] == [(image.root / "opt/made" / name).read_text() for name in ("here", "said")]
    assert not (image.root / "build").exists()
    assert f"{image.root}/opt/made:{image.root}/usr/local/bin:" == image.variables["PATH"][: -len("/bin:/usr/bin")]
    assert ("1:2", image.root / "srv", "SIGINT") == (image.user, image.folder, image.stop_signal)
    assert (("here", "and there"), {"version": "1"}) == (image.command, image.labels)


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("COPY secret ./", ".dockerignore keeps secret out"),
        ("RUN cp wanted /opt", "names a place of the machine"),
        ("RUN false", "false"),
    ],
)
def test_a_step_that_cannot_be_followed_fails(context: Path, base: Path, work: Path, step: str, complaint: str) -> None:
    """With what was wrong, and without touching the machine."""
    with pytest.raises(AssertionError, match=complaint):
        build(f"FROM base\nWORKDIR /build\n{step}\n", context, base, work)


def test_an_open_context_is_refused() -> None:
    """What is let in is named; everything else stays out."""
    with pytest.raises(AssertionError, match="keeping everything out"):
        is_let_in("wanted", "secret\n")
