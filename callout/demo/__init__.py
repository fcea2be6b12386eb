"""`callout demo`: a real NATS server, a local issuer, the service, and clients that show what is allowed."""
