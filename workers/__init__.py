"""The hot path: a pure core that decides, and a thin shell that joins it to NATS. Imports nothing from `callout`."""
