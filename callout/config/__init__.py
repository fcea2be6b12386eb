"""Settings: from the environment, checked, described, and where their secrets are read."""
