"""The load generator: requests and clients, and NATS as far as it takes to send them and to hear the verdict."""
