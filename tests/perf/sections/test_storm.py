"""The section of `perf.storm`: a row for each storm."""

from perf.figures.tables import tabulate
from perf.sections.storm import ROWS, describe
from tests.perf.sections.samples import DEPLOYED_CPU, LOCAL_CPU, make_storm, read_table


def test_a_storm_says_who_spent_the_cpu() -> None:
    """Workers and supervisor together are the service."""
    (row,) = read_table(describe({"rows": [{"workers": 2, **make_storm(LOCAL_CPU)}]}).lines, "protocol")
    assert "2" == row["workers"]
    assert ("2", "0.625", "0.25") == (row["server s"], row["service s"], row["generator s"])
    assert ("2", "1", "1") == (row["clients"], row["in"], row["not in"])


def test_what_is_encrypted_stands_with_the_protocol() -> None:
    """Results of a set-up in the clear, and of a deployed one, have nothing there."""
    about = [
        {"tls": True, "sealed": False},
        {"tls": True, "sealed": True},
        {"tls": False, "sealed": True},
        {"tls": False, "sealed": False},
    ]
    rows = [*({**make_storm(LOCAL_CPU), **one} for one in about), make_storm(DEPLOYED_CPU)]
    assert ["nats, TLS", "nats, TLS, xkey", "nats, xkey", "nats", "nats"] == [
        row["protocol"] for row in read_table(describe({"rows": rows}).lines, "protocol")
    ]


def test_who_may_try_again_has_retry() -> None:
    """However often."""
    rows = read_table(describe({"rows": [make_storm(LOCAL_CPU), make_storm(LOCAL_CPU, 20)]}).lines, "protocol")
    assert ["no", "yes"] == [row["retry"] for row in rows]


def test_of_a_deployed_set_up_the_cpu_is_not_known() -> None:
    """A dash, and not 0; nor is there a moment at which all are in while one is not."""
    heads, cells = tabulate(ROWS, [make_storm(DEPLOYED_CPU)])
    assert "all in s  server s  service s" in heads
    assert ["-", "-", "-", "0.25"] == cells.split()[16:20]


def test_every_round_is_told() -> None:
    """How many there were, the slowest and the worst beside the one that counts, and who was left out in the others."""
    rounds = {"rates": [3.0, 2.0, 1.0], "refusals": [1, 5, 1], "cpu_ratios": [0.5, 0.25, None]}
    one = {**make_storm(LOCAL_CPU), "at_once": 100}
    lines = describe({"rows": [one | rounds, one, make_storm(LOCAL_CPU)]}).lines
    heads = ("rounds", "slowest round", "service ÷ server", "worst round")
    assert [("3", "1", "0.312", "0.5"), ("1", "2", "0.312", "0.312"), ("1", "2", "", "")] == [
        tuple(row[head] for head in heads) for row in read_table(lines, "protocol")
    ]
    assert lines[-1].endswith("Not in, in the rounds that do not count: 6.")
    assert describe({"rows": [make_storm(LOCAL_CPU)]}).lines[-1].startswith("| nats")
