"""What workers have counted, as the page of metrics reads it."""

from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample


def collect(directory: Path) -> list[Sample]:
    """All samples of all workers."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]  # the library has no types there
    return [sample for metric in registry.collect() for sample in metric.samples]
