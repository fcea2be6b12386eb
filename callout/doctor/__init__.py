"""`callout doctor`: why it does not work, and the command that mends it."""
