"""A set-up on this machine: a pretend API server, a real nats-server and the service, with what they decide on."""
