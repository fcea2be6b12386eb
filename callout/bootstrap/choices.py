"""What can be chosen about a deployment: the table of options, from which the parser and the comparison come.

Rules kept here:
- A folder remembers its choices. An option that is left out means what the folder was made with, and only in a new
  folder the default: who runs the command again need not repeat them.
- An option that says something else than the folder was made with is an error. Nothing is converted: accounts that
  servers already know would change under running clients.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from callout.bootstrap.forms import (
    UNLIMITED,
    parse_address,
    parse_count,
    parse_events,
    parse_limit,
    parse_name,
    parse_namespace,
    parse_size,
    render_size,
)


class Layout(StrEnum):
    """Where NACK's streams live, as seen from the clients' account."""

    INSIDE = "inside"
    IMPORT = "import"
    SERVICE = "service"
    NONE = "none"


class Resolver(StrEnum):
    """Where nats-server keeps the accounts: in its configuration, or in a folder of its own."""

    MEMORY = "memory"
    FULL = "full"


class Choices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value for each option; sizes are in bytes, -1 stands for no limit."""

    operator: str = "nats"
    sys_account: str = "SYS"
    service_account: str = "AUTH_SERVICE"
    client_account: str = "AUTH_ACCOUNT"
    nack_account: str = "NACK"
    nack: Layout = Layout.INSIDE
    events: tuple[str, ...] = ("events.>",)
    resolver: Resolver = Resolver.MEMORY
    xkey: bool = False
    js_memory: int = UNLIMITED
    js_disk: int = UNLIMITED
    js_streams: int = UNLIMITED
    js_consumers: int = UNLIMITED
    store_memory: int = 256 << 20
    store_disk: int = 10 << 30
    listen: str = "127.0.0.1:4222"
    namespace: str = "nats-system"
    nack_namespace: str = "nack-system"


class Option(msgspec.Struct, frozen=True):
    """A row of the table: the attribute of `Choices`, how its value is read and written, and what it does.

    A row without `parse` is a switch. `show` writes a value as the user would.
    """

    field: str
    metavar: str
    about: str
    parse: Callable[[str], object] | None
    show: Callable[[Any], str] = str

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.field.replace("_", "-")


def _one_of(kind: type[StrEnum]) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return kind(text)
        except ValueError:
            *most, last = kind
            raise ValueError(f"{', '.join(most)} or {last}") from None

    return parse


OPTIONS: Final = (
    Option("operator", "NAME", "name of the operator", parse_name),
    Option("sys_account", "NAME", "name of the system account", parse_name),
    Option("service_account", "NAME", "name of the account that the service logs in to", parse_name),
    Option("client_account", "NAME", "name of the account that clients are placed in", parse_name),
    Option("nack_account", "NAME", "name of NACK's account", parse_name),
    Option(
        "nack",
        "LAYOUT",
        "inside: NACK's user lives in the clients' account, everything works; import: NACK's account receives the "
        "clients' messages, without acknowledgement; service: it takes them as requests, and acknowledges; none",
        _one_of(Layout),
    ),
    Option("events", "SUBJECTS", "what NACK's streams hold, for import and service", parse_events, ", ".join),
    Option("resolver", "KIND", "memory: accounts stand in nats.conf; full: in a folder too", _one_of(Resolver)),
    Option("xkey", "", "encrypt what nats-server and the service say to each other", None),
    Option("js_memory", "BYTES", "memory that the streams' account may use; -1 is no limit", parse_limit, render_size),
    Option("js_disk", "BYTES", "disk that it may use", parse_limit, render_size),
    Option("js_streams", "NUMBER", "streams that it may have", parse_count),
    Option("js_consumers", "NUMBER", "consumers that it may have", parse_count),
    Option("store_memory", "BYTES", "memory that the server has for JetStream", parse_size, render_size),
    Option("store_disk", "BYTES", "disk that the server has for JetStream", parse_size, render_size),
    Option("listen", "ADDRESS", "where the server of nats.conf listens", parse_address),
    Option("namespace", "NAME", "Kubernetes namespace of NATS and of the service", parse_namespace),
    Option("nack_namespace", "NAME", "Kubernetes namespace of NACK", parse_namespace),
)
"""All options, in the order of the help."""


def choose(given: Mapping[str, object], base: Choices) -> Choices:
    """Take what is given, and the rest from `base`.

    Raises:
        ValueError: two things have the same name.
    """
    choices = msgspec.structs.replace(base, **given)
    names = [getattr(choices, option.field) for option in OPTIONS if option.parse is parse_name]
    if len({name.casefold() for name in names}) < len(names):  # on some disks their files would be the same
        raise ValueError("operator and accounts need names that differ in more than upper and lower case")
    return choices


def check_choices(choices: Choices) -> None:
    """Check that each value is one that could have been given.

    Raises:
        ValueError: one is not; the text is half a sentence that says what would be right.
    """
    choose({}, choices)
    for option in OPTIONS:
        value = getattr(choices, option.field)
        if option.parse is not None and option.parse(option.show(value)) != value:
            raise ValueError(f"a value of {option.flag} as it is written")


def differences(given: Mapping[str, object], made: Choices) -> list[str]:
    """Say which of the given options the folder was not made with, such as `--nack inside, not import`."""
    return [
        f"{option.flag} {option.show(getattr(made, option.field))}, not {option.show(given[option.field])}"
        if option.parse
        else f"no {option.flag}"
        for option in OPTIONS
        if option.field in given and given[option.field] != getattr(made, option.field)
    ]
