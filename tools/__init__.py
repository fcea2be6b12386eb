"""What makes a release: `make release`. Nothing of it is installed or runs in a cluster."""
