"""What other users of the machine may do with the files that the settings name: warnings, and no more.

A pod's volumes are often mounted so that everybody may read them, and nobody else is there; on a machine that is shared
it is a hole. Whoever writes the key set, a ServiceAccount's manifest, the ceiling or a kubeconfig decides who gets in.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from callout.config.table import Settings, list_files
from callout.files import is_world_readable, is_world_writable
from callout.manifests.folder import SUFFIXES
from callout.preflight.kubeconfig import maybe_list


def warn_of_modes(settings: Settings) -> Iterator[str]:
    """Find the files that others may read or write and should not, one line for a setting and a mode."""
    for setting, file, path in list_files(settings):
        with suppress(OSError):  # what cannot be looked at is an error, which is told of as such
            if file.private and is_world_readable(path):
                yield (
                    f"{setting.name}: {path} may be read by every user of the machine; 'chmod o= {path}' puts it "
                    "right, or 'defaultMode: 0440' in a pod's volume"
                )
        yield from _warn_of_writers(setting.name, [path, *_list(path)])
    yield from _warn_of_writers("KUBECONFIG", maybe_list(settings))


def _warn_of_writers(name: str, paths: list[Path]) -> Iterator[str]:
    for path in paths:
        with suppress(OSError):
            if is_world_writable(path):
                yield (
                    f"{name}: {path} may be written to by every user of the machine, who so decides who gets in; "
                    f"'chmod o-w {path}' puts it right"
                )
                return


def _list(path: Path) -> list[Path]:
    """Return the manifests of a folder; none of what is a file itself, or cannot be read."""
    with suppress(OSError):
        return sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    return []
