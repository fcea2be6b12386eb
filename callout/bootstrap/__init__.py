"""`callout bootstrap`: a whole operator-mode deployment in one folder, made without nsc."""
