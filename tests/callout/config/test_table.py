"""The table of settings: it and the settings are about the same things."""

from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from callout.config.loading import load
from callout.config.table import TABLE, UNLIMITED, File, Settings, list_files, parse_response_max, say_required
from callout.config.values import FILES, FOLDER
from tests.callout.config.samples import OPERATOR, POD, YAML, read
from workers.nkeys import Kind
from workers.sa_token import LEEWAY_S


def test_the_table_and_the_settings_have_the_same_names() -> None:
    """A setting without a row, or a row without a setting, could not be."""
    assert Settings.__struct_fields__ == tuple(setting.field for setting in TABLE)


@pytest.mark.parametrize("environ", [POD, OPERATOR, YAML])
def test_every_value_has_the_type_that_is_declared(environ: dict[str, str]) -> None:
    """The table's parsers are trusted to make what the struct says."""
    loaded = read(environ)
    for name, declared in get_type_hints(Settings).items():
        kinds = tuple(getattr(kind, "__origin__", kind) for kind in get_args(declared) or (declared,))
        if declared == tuple[str, ...]:
            kinds = (tuple,)
        assert isinstance(getattr(loaded, name), kinds), name


def test_the_leeway_that_is_told_is_the_one_that_is_kept() -> None:
    """A login may outlast its token by that: workers decide it, and the table has it in words."""
    (ttl,) = (setting for setting in TABLE if setting.name == "NATS_USER_TTL")
    assert f"at most {LEEWAY_S} s after the client's token" in ttl.about


def test_every_path_is_known_to_be_a_file() -> None:
    """But for those that are looked at by themselves: a folder to be written to, and a list of files."""
    paths = {name for name, kind in get_type_hints(Settings).items() if Path in (kind, *get_args(kind))}
    files = {setting.field for setting in TABLE if setting.file is not None}
    assert paths - files == {setting.field for setting in TABLE if setting.form is FOLDER}
    assert files <= paths
    assert ["KUBECONFIG"] == [setting.name for setting in TABLE if setting.form is FILES]


def test_every_file_with_a_seed_is_private() -> None:
    """Whoever reads a seed can sign as its owner."""
    seeds = [setting for setting in TABLE if setting.file is not None and setting.file.seed is not None]
    assert ["NATS_SIGNING_KEY_FILE", "NATS_ACCOUNT_SIGNING_KEY_FILE", "NATS_XKEY_FILE"] == [one.name for one in seeds]
    assert all(one.file is not None and one.file.private for one in seeds)


def test_the_files_that_are_named_are_listed() -> None:
    """Each with its row; those that are not set are not there."""
    settings = msgspec.structs.replace(load(POD)[0], jwks_path=Path("/jwks.json"))
    signing = File(private=True, seed=Kind.ACCOUNT, for_workers=True)
    assert [
        ("NATS_SIGNING_KEY_FILE", signing, Path("/etc/nats/signing.key")),
        ("JWKS_PATH", File(), Path("/jwks.json")),
    ] == [(setting.name, file, path) for setting, file, path in list_files(settings)]


@pytest.mark.parametrize(("text", "value"), [("-1", UNLIMITED), ("0", 0), ("7", 7)])
def test_replies_are_counted_or_not(text: str, value: int) -> None:
    """-1 is for any number; 0 for none."""
    assert value == parse_response_max(text)


def test_when_a_setting_is_required_is_said_in_words() -> None:
    """For messages and the documentation."""
    said = {setting.name: say_required(setting) for setting in TABLE if setting.required}
    assert "required" == said["NATS_ACCOUNT"]
    assert "required in operator mode" == said["NATS_USER_CREDS_FILE"]
