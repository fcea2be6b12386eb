"""ServiceAccounts that a measurement makes, changes and deletes through an API server, and nobody else's."""
