"""NATS_CEILING_FILE: reading the ceiling from YAML."""

from pathlib import Path
from typing import Final

import yaml

from callout.ceiling import Ceiling, parse_ceiling
from callout.files import read_bounded, reason_of

MAX_CEILING_BYTES: Final = 1 << 20  # thousands of patterns, each compared with each entry of an annotation


def read_ceiling(path: Path | None) -> Ceiling:
    """Read the ceiling; without a file there is none but the reserved spaces.

    Raises:
        ValueError: the file cannot be read, or holds no ceiling; one line that names it.
    """
    if path is None:
        return Ceiling()
    try:
        return parse_ceiling(yaml.safe_load(read_bounded(path, MAX_CEILING_BYTES)))
    except OSError as error:
        raise ValueError(f"NATS_CEILING_FILE: {path} cannot be read: {reason_of(error)}") from None
    except (yaml.YAMLError, RecursionError):
        raise ValueError(f"NATS_CEILING_FILE: {path} is not valid YAML") from None
    except ValueError as error:
        raise ValueError(f"NATS_CEILING_FILE: {path}: {error}") from None
