"""callout.file_following: a changed file takes effect without a restart, and one that is unusable changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callout.file_following import FileFollower
from callout.policy.ceiling import Ceiling
from callout.policy.decision import Rules
from tests.idle_service import make_settings, write
from tests.minting import NatsKey
from workers.logs import Log

CEILING = "pub: [a.>]\nsub: []\n"


class Bench:
    """A follower with a signing key and a ceiling, and what it does."""

    def __init__(self, folder: Path) -> None:
        self.renewals = 0
        self.ceilings: list[Ceiling] = []
        self.ceiling = write(folder / "ceiling.yaml", CEILING)
        settings = make_settings(folder, NATS_CEILING_FILE=str(self.ceiling))
        self.key = settings.nats_signing_key_file
        self._file = folder / "log"
        self._log = Log("supervisor", "info", os.open(self._file, os.O_CREAT | os.O_WRONLY, 0o600))
        self.follower = FileFollower(settings, self._renew, self._use, self._log)

    def lines(self) -> list[dict[str, Any]]:
        """All that was logged; nothing is afterwards."""
        self._log.close()
        return [msgspec.json.decode(line) for line in self._file.read_bytes().splitlines()]

    def _use(self, rules: Rules) -> None:
        self.ceilings.append(rules.ceiling)

    def _renew(self) -> None:
        self.renewals += 1


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench of its own."""
    made = Bench(tmp_path)
    yield made
    os.close(made._log._fd)


def test_nothing_happens_while_nothing_changes(bench: Bench) -> None:
    """Not even when a file is written anew with the same content."""
    write(bench.ceiling, CEILING)
    bench.follower.look()
    assert (0, [], []) == (bench.renewals, bench.ceilings, bench.lines())


def test_another_key_renews_the_workers(bench: Bench) -> None:
    """Once, and the log names the file."""
    write(bench.key, NatsKey.generate("account").seed)
    bench.follower.look()
    bench.follower.look()
    assert (1, []) == (bench.renewals, bench.ceilings)
    assert [str(bench.key)] == [line["files"] for line in bench.lines()]


def test_a_key_of_another_kind_renews_nobody(bench: Bench) -> None:
    """The last one stays in force, and the log says what was wrong with this."""
    write(bench.key, NatsKey.generate("user").seed)
    bench.follower.look()
    assert 0 == bench.renewals
    (line,) = bench.lines()
    assert "error" == line["level"]
    assert "NATS_SIGNING_KEY_FILE" in line["error"]


def test_another_ceiling_makes_other_rules(bench: Bench) -> None:
    """The workers have no part in it."""
    write(bench.ceiling, "pub: []\nsub: []\n")
    bench.follower.look()
    assert (0, [Ceiling(pub=(), sub=())]) == (bench.renewals, bench.ceilings)


@pytest.mark.parametrize("text", ["pub: [", "pub: []\n"])
def test_an_unusable_ceiling_changes_no_rules(bench: Bench, text: str) -> None:
    """Half a file is no ceiling."""
    write(bench.ceiling, text)
    bench.follower.look()
    assert [] == bench.ceilings
    assert ["error"] == [line["level"] for line in bench.lines()]


def test_a_file_that_is_gone_changes_nothing_and_is_told_once(bench: Bench) -> None:
    """What was read last stays in force."""
    bench.key.unlink()
    bench.follower.look()
    bench.follower.look()
    assert 0 == bench.renewals
    assert [str(bench.key)] == [line["file"] for line in bench.lines()]
