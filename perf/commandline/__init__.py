"""What the measuring commands have in common: arguments, progress, files, and how they end."""
