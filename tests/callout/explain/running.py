"""What `callout explain` is tried with."""

from collections.abc import Callable

from tests.minting import Issuer

NAME = "https://kubernetes.test"
ISSUER = Issuer.generate("EdDSA", "k1")
CHECKOUT = """
apiVersion: v1
kind: ServiceAccount
metadata:
  name: checkout
  namespace: orders
  annotations: {nats.io/allowed-pub-subjects: "events.>, >"}
"""
# Far away, so that no test depends on the day it runs on: the command takes the moment from the clock.
LONG_AGO, SOON = 1_000_000_000, 4_000_000_000

Run = Callable[..., tuple[int, str, str]]
