"""How a worker ends, and what the supervisor makes of it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of a worker. Any other is a crash, after which it is started again with back-off."""

    DRAINED = 0
    BAD_SETTINGS = 2
    REFUSED = 3
    LAYOUT = 4

    @property
    def lasting(self) -> bool:
        """Whether starting the worker again would end the same way."""
        return self is not Exit.DRAINED


EXPLANATIONS = {
    Exit.BAD_SETTINGS: "its settings or one of its key files are unusable, or SNAPSHOT_DIR has no room; the worker's "
    "own line above says which",
    Exit.REFUSED: "NATS refused the service's credentials: compare NATS_USER_CREDS_FILE, NATS_TOKEN or the user in "
    "NATS_URL with the server's configuration",
    Exit.LAYOUT: "the snapshot was written by another version of this program: install both parts from one release",
}
