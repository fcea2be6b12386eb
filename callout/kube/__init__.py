"""ServiceAccounts from the Kubernetes API: list, watch, and a client that keeps its bounds."""
