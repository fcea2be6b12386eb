"""ServiceAccounts of a real cluster, made and changed for a measurement, and nobody else's."""
