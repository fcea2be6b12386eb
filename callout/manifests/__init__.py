"""ServiceAccounts from Kubernetes YAML files in a folder."""
