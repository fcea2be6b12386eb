"""The supervisor and the commands: everything that is slow, rare or faces outward."""

DISTRIBUTION = "nats-k8s-oidc-callout"
"""The name under which the whole is installed."""
