"""Who may do what: defaults, annotations and the ceiling become permissions. Pure."""
