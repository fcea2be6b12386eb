"""The HTTP pages: probes and metrics."""
