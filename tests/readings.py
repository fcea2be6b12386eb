"""What a supervisor may know at some moment: readings for a page of metrics, each another number."""

from callout.config.expiry import Credential
from callout.http.metrics import Readings
from callout.policy.verdict import DropReason, Side
from workers.status import State

READINGS = Readings(
    version="1.2.3",
    started_at=1000,
    ready=True,
    snapshot_entries=7,
    snapshot_bytes=4096,
    snapshot_limit=8192,
    snapshot_generation=3,
    snapshot_age=1.5,
    keyset_age=60,
    keyset_lifetime=300,
    keyset_failures=2,
    watch_connected=False,
    watch_restarts=4,
    watch_garbage=8,
    watch_skipped=9,
    workers={State.SERVING: 2, State.DRAINING: 1},
    worker_restarts=5,
    filtered={(Side.PUB, DropReason.INVALID): 6},
    ends={Credential.USER_JWT: 2000, Credential.CLIENT_CERTIFICATE: 3000},
)
