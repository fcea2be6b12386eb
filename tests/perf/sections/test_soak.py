"""The section of `perf.soak`: a sentence."""

from perf.sections.soak import describe
from tests.perf.sections.samples import SOAK_ROW


def test_what_went_wrong_is_summed_up() -> None:
    """Of all intervals; restarts are counted from the beginning, and memory is told of both ends."""
    rows = [{**SOAK_ROW, "workers_mib": 30.0}, {**SOAK_ROW, "hours": 0.02, "restarts": 5, "workers_mib": 31.5}]
    text = " ".join(describe({"rate": 1000, "rows": rows}).lines)
    assert text.startswith(
        "1.2 minutes at 1,000 requests/s: 1,000 answered, 6 lost or refused, 6 reconnects, 5 workers"
    )
    assert "took 30.0 MiB in the beginning and 31.5 MiB in the end" in text
