"""The last line of a service whose workers cannot start: which setting to look at.

Pure: what the settings are and how a worker has ended comes in, a line comes out, without any secret.
"""

from callout.config.nats_url import split
from callout.config.table import Settings
from workers.exits import EXPLANATIONS, Exit

_COMPARE = "with the server's configuration"


def explain_end(settings: Settings, ended: Exit) -> str:
    """Say why no worker can start, and what to do."""
    return _name_login(settings) if ended is Exit.REFUSED else f"no worker can start: {EXPLANATIONS[ended]}"


def _name_login(settings: Settings) -> str:
    """Name what the service logs in to NATS with: where several are set, what stands first here is used."""
    servers = split(settings.nats_url)
    if settings.nats_user_creds_file is not None:
        return f"NATS_USER_CREDS_FILE: NATS refused the user of {settings.nats_user_creds_file}; compare it {_COMPARE}"
    if settings.nats_token is not None:
        return f"NATS_TOKEN: NATS refused the token; compare it {_COMPARE}"
    if servers.token is not None:
        return f"NATS_URL: NATS refused the token; compare it {_COMPARE}"
    if servers.user is not None:
        return f"NATS_URL: NATS refused the user or the password; compare both {_COMPARE}"
    return (
        "NATS_URL: NATS lets nobody in without credentials, and it names no user; give nats://user:password@…, or set "
        "NATS_USER_CREDS_FILE or NATS_TOKEN"
    )
