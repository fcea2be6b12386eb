"""`callout explain`: what a token or a ServiceAccount gets, and why."""
