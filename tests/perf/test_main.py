"""All measurements, one after the other: which storms there are, and how the results are called."""

from perf import storm
from perf.__main__ import STORMS, name_machine


def test_storms_have_clients_enough_to_count_ticks() -> None:
    """Every storm that has a goal is in it; the one whose CPU is compared has several seconds of it."""
    runs = [storm.parse(bounds.split())[0] for bounds in STORMS]
    nats = {at_once: options for options in runs if options.protocol == ["nats"] for at_once in options.at_once}
    assert {100: 10_000, 400: 2000, 4000: 2000} == {at_once: options.clients for at_once, options in nats.items()}
    assert {100: [1, 2], 400: [2], 4000: [2]} == {at_once: options.workers for at_once, options in nats.items()}
    assert {"nats", "ws", "mqtt"} == {protocol for options in runs for protocol in options.protocol}


def test_a_file_is_named_after_the_machine() -> None:
    """With nothing in it that a path cannot hold, and no host's name."""
    assert "amd-epyc-9r14-2" == name_machine({"processor": "AMD EPYC (9R14)", "cores": 2})
    assert "unknown-1" == name_machine({"processor": "", "cores": 1})
