"""A deployment's folder on disk, and pictures of it."""

from pathlib import Path

from callout.bootstrap.choices import Choices
from callout.bootstrap.contents import Files, render_first, render_material, render_rest
from callout.bootstrap.folder import create
from callout.bootstrap.record import Deployment, begin
from tests.callout.bootstrap.sample import NOW, drawing


def render(deployment: Deployment, folder: Path) -> Files:
    """All files that are looked at again."""
    return {**render_material(deployment), **render_rest(deployment, folder)}


def make(folder: Path, choices: Choices | None = None) -> Deployment:
    """Write a new deployment."""
    deployment, roots = begin(choices or Choices(), drawing(), NOW)
    create(folder, {**render(deployment, folder), **render_first(deployment, roots)})
    return deployment


def names(folder: Path) -> set[str]:
    """What is in a folder, hidden or not."""
    return {path.name for path in folder.iterdir()}


def picture(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """All files below a folder: content, mode, and when they were written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
