"""The policy's rules, from the settings and from the file that holds the ceiling."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from callout.config.table import Settings
from callout.files import locate, read_bounded, reason_of
from callout.policy.ceiling import Ceiling, parse_ceiling
from callout.policy.decision import Rules
from callout.secret import quote
from workers.user_jwt import ResponsePermission

MAX_CEILING_BYTES: Final = 1 << 20  # thousands of patterns, each compared with each entry of an annotation

_EXAMPLE: Final = 'pub: ["{namespace}.>"] and in a line of its own sub: ["{namespace}.>"]'
_NS_IN_S: Final = 1_000_000_000


def read_rules(settings: Settings) -> Rules:
    """Make the rules that are in force.

    Raises:
        ValueError: the ceiling's file cannot be read, or holds no ceiling; one line that names it.
    """
    return Rules(
        annotation_prefix=settings.sa_annotation_prefix,
        shared_inbox=settings.nats_shared_inbox,
        response=ResponsePermission(settings.nats_response_max, int(settings.nats_response_ttl * _NS_IN_S))
        if settings.nats_response_max
        else None,
        account=settings.nats_account,
        ceiling=read_ceiling(settings.nats_ceiling_file),
        stream_admin=settings.nats_stream_admin,
    )


def read_ceiling(path: Path | None) -> Ceiling:
    """Read the ceiling; without a file there is none but the reserved spaces.

    Raises:
        ValueError: the file cannot be read, or holds no ceiling; one line that names it.
    """
    if path is None:
        return Ceiling()
    try:
        return parse_ceiling(_load(read_bounded(path, MAX_CEILING_BYTES)))
    except OSError as error:
        remedy = "give the path of a YAML file with the lists pub and sub, which this user may read"
        raise ValueError(f"NATS_CEILING_FILE: {locate(path)} cannot be read: {reason_of(error)}; {remedy}") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f" in line {mark.line + 1}" if mark else ""
        remedy = f"write two lists of subjects, such as {_EXAMPLE}"
        raise ValueError(f"NATS_CEILING_FILE: {path} is not valid YAML{where}; {remedy}") from None
    except ValueError as error:
        raise ValueError(f"NATS_CEILING_FILE: {path}: {error}") from None


class _Loader(yaml.SafeLoader):
    """Refuses what YAML forbids and PyYAML lets pass: a key named twice, of which the last would win unnoticed."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)  # what is merged in stands beside the mapping's own keys, and may not repeat them
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ValueError(f"{quote(key.value)} is named twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _load(document: bytes) -> object:
    return yaml.load(document, _Loader)  # noqa: S506  # it is a SafeLoader
