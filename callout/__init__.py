"""The supervisor and the commands: everything that is slow, rare or faces outward."""
