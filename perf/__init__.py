"""Measurements: what a decision costs, and what the service can do. No test depends on how fast anything is."""
