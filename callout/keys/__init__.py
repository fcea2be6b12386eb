"""The cluster's key set (JWKS): where it is found and how it is kept fresh."""
