"""docs/scaling.md: its tables are reckoned as they say, and what its text adds holds as well."""

import random
import re
from pathlib import Path

import pytest
import yaml

from callout.demo.server import find_binary
from perf.figures.processes import SERVER
from perf.simulate import JITTER
from tests.commands import run
from tests.e2e.chart.nats_chart import render_config, write_config
from tests.pages import ROOT
from tests.perf.scaling import RENEWED_AT, SERVERS, TABLES, UNKNOWN_TLS, find_need, list_storms, reckon_overload
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


def test_what_is_left_of_the_replicas_suffices() -> None:
    """In the mean, when one of the servers has taken its share of them with it; each has one worker and one core."""
    [values] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    replicas = yaml.safe_load(values)["replicaCount"]
    assert replicas * (SERVERS - 1) / SERVERS >= find_need().service[1]


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


def test_storms_in_the_clear_and_with_tls_are_kept_apart() -> None:
    """Each has a row of its own; that of TLS is a place without a figure as long as none is published."""
    assert list_storms()
    for tls in (False, True):
        taken = [row["cpu_s"][SERVER] / row["admitted"] * 1000 for row in list_storms(tls=tls)]
        ends = dict.fromkeys(f"{end:.2f}" for end in (min(taken), max(taken))) if taken else ()
        said = f"connections of {' to '.join(ends)} ms" if taken else UNKNOWN_TLS
        assert said in PAGE
    assert (UNKNOWN_TLS in PAGE) != bool(list_storms(tls=True))


def test_lame_duck_mode_is_set_as_in_production(tmp_path: Path) -> None:
    """Of the same length, with as much time for the pod; nats-server takes it."""
    [block] = re.findall(r"^  ```yaml\n(.*?)^  ```$", PAGE, re.MULTILINE | re.DOTALL)
    values, production = yaml.safe_load(block), yaml.safe_load((ROOT / PRODUCTION).read_text())
    assert "2m" == production["config"]["merge"]["lame_duck_duration"]
    assert production["podTemplate"]["merge"]["spec"] == values["podTemplate"]["merge"]["spec"]
    members = render_config(values, "nats-0")
    assert "120s" == members["lame_duck_duration"]
    config = tmp_path / "nats.conf"
    config.write_text(write_config(members))
    run([find_binary(), "-t", "-c", config])
