"""docs/scaling.md: its tables are reckoned as they say, and what its text adds holds as well."""

import random
from math import ceil, comb
from pathlib import Path

import pytest
import yaml

from callout.demo.server import find_binary
from perf.simulate import JITTER
from tests.commands import run
from tests.e2e.chart.nats_chart import render_config, write_config
from tests.pages import ROOT, yaml_blocks
from tests.perf.scaling import (
    CLEAR,
    ENCRYPTED,
    RENEWED_AT,
    SERVERS,
    TABLES,
    find_connections,
    find_need,
    reckon_overload,
)
from tests.perf.sections.samples import read_table
from workers.authorize import LoginTerms
from workers.connection import MAX_PINGS, PING_INTERVAL_S

PAGE = (ROOT / "docs/scaling.md").read_text()
PRODUCTION = "k8s/examples/production/1-nats.yaml"
LOGINS = 20_000
HOUR = 3600


def find_mean_login(token_s: float, ttl: float) -> float:
    """Follow a client that logs in anew whenever its login ends, each time with the token that stands in the file."""
    terms, drawn = LoginTerms(ttl, JITTER, named=False), random.Random(1)
    now = 0.0
    for _ in range(LOGINS):
        issued = now // (token_s * RENEWED_AT) * token_s * RENEWED_AT
        now = terms.end(issued + token_s, now, drawn.random())
    return now / LOGINS


@pytest.mark.parametrize(
    ("token_s", "ttl", "expected"),
    [
        (HOUR, HOUR, 2880),
        (HOUR, 24 * HOUR, 2880),
        (600, HOUR, 480),
        (2 * HOUR, 900, 810),
        (HOUR, HOUR // 2, 1440),
    ],
)
def test_a_login_lasts_in_the_mean_what_the_page_says(token_s: float, ttl: float, expected: float) -> None:
    """With the default jitter: one for each token, or the TTL less half the jitter, or less than both."""
    assert pytest.approx(expected, rel=0.01) == find_mean_login(token_s, ttl)
    if token_s != 600:
        assert f"{expected:,} s" in PAGE


def find_chance_of_too_few(workers: int, needed: int) -> float:
    """Reckon how often fewer are left than are needed, when a server takes those with it that are connected to it."""
    lost = 1 / SERVERS
    return sum(
        comb(workers, left) * (1 - lost) ** left * lost ** (workers - left) for left in range(min(needed, workers + 1))
    )


@pytest.mark.parametrize(("workers", "cases"), [(5, 5), (6, 10), (8, 50)])
def test_how_often_too_few_workers_are_left_is_said(workers: int, cases: int) -> None:
    """When a server takes those with it that are connected to it, by chance; each has one core."""
    assert pytest.approx(1 / cases, rel=0.06) == find_chance_of_too_few(workers, ceil(find_need().service[1]))
    said = "Of five there are fewer in one case of five, of six in one of ten, of eight in one of fifty"
    assert said in " ".join(PAGE.split())


def test_the_values_have_as_many_replicas_as_the_text() -> None:
    """Six, of one worker each."""
    [values] = (block for block in yaml_blocks(PAGE) if "replicaCount" in block)
    loaded = yaml.safe_load(values)
    assert (6, 1) == (loaded["replicaCount"], loaded["nats"]["workers"])
    assert "Three of one core each have to be left here" in PAGE
    assert 3 == ceil(find_need().service[1])


def test_a_silent_server_is_left_when_the_page_says() -> None:
    """A ping more than may be open has not been answered."""
    assert f"after {PING_INTERVAL_S * (MAX_PINGS + 1)} s at the latest" in PAGE


def test_cores_are_what_the_columns_before_come_to() -> None:
    """CPU of all that ran, for a request, times requests a second."""
    for row in read_table(TABLES["scaling cores"]().splitlines(), "replicas of one worker"):
        parts = [float(row[f"{name} µs"]) for name in ("worker", "supervisor", "server", "generator")]
        assert pytest.approx(sum(parts), abs=0.06) == float(row["together"])
        rate = float(row["decisions/s"].replace(",", ""))
        assert pytest.approx(rate * float(row["together"]) / 1e6, abs=0.006) == float(row["cores"])


def test_nothing_is_foretold_by_itself() -> None:
    """Each measurement by another one, and beside it how far off that was."""
    rows = read_table(TABLES["scaling foretold"]().splitlines(), "what")
    assert 4 == len(rows)
    for row in rows:
        assert row["what"].removeprefix("storm, ").rpartition(",")[0] != row["foretold by"].rpartition(":")[0]
        reckoned, measured = (float(row[name].replace(",", "")) for name in ("reckoned", "measured"))
        assert pytest.approx(measured / reckoned, abs=0.006) == float(row["measured ÷ reckoned"])


@pytest.mark.parametrize(("factor", "seconds", "tries"), [(0.5, 20, 1), (1, 10, 1)])
def test_an_overload_that_is_none_ends_when_the_last_has_come(factor: float, seconds: int, tries: float) -> None:
    """Nobody has to wait."""
    assert (seconds, tries) == reckon_overload(1000, 100, factor)


def test_whoever_is_refused_tries_again() -> None:
    """Of a thousand in a second where a hundred come through all are in after ten seconds at least."""
    seconds, tries = reckon_overload(1000, 100, 10)
    assert seconds >= 10
    assert tries > 1


@pytest.mark.parametrize("storms", [CLEAR, *ENCRYPTED])
def test_storms_in_the_clear_and_others_are_kept_apart(storms: str) -> None:
    """Each kind has a row of its own, by the least and the most that a connection took."""
    ends = dict.fromkeys(f"{end:.2f}" for end in find_connections(storms))
    assert f"connections of {' to '.join(ends)} ms" in PAGE


def test_lame_duck_mode_is_set_as_in_production(tmp_path: Path) -> None:
    """Of the same length, with as much time for the pod; nats-server takes it."""
    [block] = (one for one in yaml_blocks(PAGE) if "lame_duck_duration" in one)
    values, production = yaml.safe_load(block), yaml.safe_load((ROOT / PRODUCTION).read_text())
    assert "2m" == production["config"]["merge"]["lame_duck_duration"]
    assert production["podTemplate"]["merge"]["spec"] == values["podTemplate"]["merge"]["spec"]
    members = render_config(values, "nats-0")
    assert "120s" == members["lame_duck_duration"]
    config = tmp_path / "nats.conf"
    config.write_text(write_config(members))
    run([find_binary(), "-t", "-c", config])
