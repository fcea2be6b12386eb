"""`callout config`, and the start of `callout serve`: all that can be checked on this machine alone."""
