"""What can be chosen, and how a folder's choices are compared with those given."""

from typing import Any

import msgspec
import pytest

from callout.bootstrap.choices import OPTIONS, Choices, Layout, check_choices, choose, differences


def test_every_choice_has_an_option() -> None:
    """And each option sets something."""
    assert list(Choices.__struct_fields__) == [option.field for option in OPTIONS]


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.parse], ids=lambda option: option.flag)
def test_a_default_can_be_typed(option: object) -> None:
    """What is shown as an option's value is read as that value."""
    (row,) = (one for one in OPTIONS if one is option)
    default = getattr(Choices(), row.field)
    assert row.parse is not None
    assert default == row.parse(row.show(default))


def test_what_is_not_given_stays() -> None:
    """On top of the defaults, or of what a folder was made with."""
    base = Choices(operator="first")
    assert Choices(operator="first", xkey=True) == choose({"xkey": True}, base)


@pytest.mark.parametrize("name", ["SYS", "sys", "NATS"])
def test_names_must_differ(name: str) -> None:
    """Also where upper and lower case are the same."""
    with pytest.raises(ValueError, match="names that differ"):
        choose({"client_account": name}, Choices())


def test_differences_are_named_as_they_are_typed() -> None:
    """First what the folder was made with."""
    made = Choices(nack=Layout.IMPORT, store_disk=1 << 30)
    given = {"nack": Layout.SERVICE, "store_disk": 2 << 30, "xkey": True, "operator": "nats"}
    assert ["--nack import, not service", "no --xkey", "--store-disk 1Gi, not 2Gi"] == differences(given, made)


def test_choices_survive_being_written() -> None:
    """As JSON, in a folder's record."""
    choices = Choices(nack=Layout.SERVICE, events=("a.>", "b"))
    assert choices == msgspec.json.decode(msgspec.json.encode(choices), type=Choices)


def test_every_choice_that_can_be_made_is_sound() -> None:
    """The defaults, and others."""
    check_choices(Choices())
    check_choices(
        Choices(nack=Layout.SERVICE, events=("a.>", "b"), js_disk=1, js_streams=5, listen="[::]:1", xkey=True)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"client_account": "../../evil"},
        {"operator": ""},
        {"sys_account": "NACK"},
        {"events": ()},
        {"events": ("$JS.API.>",)},
        {"events": ("a, b",)},
        {"listen": "127.0.0.1:4222; rm -rf ~"},
        {"namespace": "a\nb"},
        {"nack_namespace": "$(id)"},
        {"js_memory": 0},
        {"js_streams": -2},
        {"store_disk": -1},
    ],
    ids=str,
)
def test_a_choice_that_nobody_can_make_is_not(changes: dict[str, Any]) -> None:
    """Each value goes by the grammar of its option, wherever it comes from."""
    with pytest.raises(ValueError, match=r"."):
        check_choices(msgspec.structs.replace(Choices(), **changes))
