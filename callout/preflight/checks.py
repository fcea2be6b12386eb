"""All that can be said of the settings before anything starts: `callout config` shows it, `callout serve` needs it."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from callout.config.credentials import CredentialError, read_seed, read_user_credentials
from callout.config.file_checks import check_own_files
from callout.config.loading import ConfigError
from callout.config.table import Settings, list_files
from callout.config.values import CREDENTIALS_FILE
from callout.preflight.foresight import foresee
from callout.preflight.inputs import check_inputs
from callout.preflight.modes import warn_of_modes


class Report(msgspec.Struct, frozen=True):
    """What there is to say of settings that are valid, a line each.

    Attributes:
        facts: what the files hold.
        warnings: what is probably not meant.
        notes: what valid settings mean that is easily overlooked.
        foreseen: what the service will warn of itself, as far as it can be known without its network.
    """

    facts: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    foreseen: tuple[str, ...] = ()


def check(settings: Settings) -> Report:
    """Look at every file that the settings name.

    Raises:
        ConfigError: a file is missing, cannot be read, or holds something else than it should.
    """
    inputs = check_inputs(settings)
    warnings = (*warn_of_modes(settings), *_warn_of_bearer(settings), *inputs.warnings)
    problems = [*check_own_files(settings), *inputs.problems]
    if problems:
        raise ConfigError(*problems, warnings=warnings)
    facts = (*_name_keys(settings), *inputs.facts)
    return Report(facts, warnings, _note(settings), tuple(foresee(settings)))


def _name_keys(settings: Settings) -> Iterator[str]:
    """Say which keys the files hold, by what is no secret of them: that is what nats-server's side is compared with."""
    for setting, file, path in list_files(settings):
        with suppress(CredentialError):  # it was right a moment ago
            if file.seed is not None:
                yield f"{setting.name}: the key {read_seed(path, file.seed).public}"
            elif setting.form is CREDENTIALS_FILE:
                user = read_user_credentials(path)
                yield f"{setting.name}: the user {user.key.public} of account {user.account}"


def _warn_of_bearer(settings: Settings) -> Iterator[str]:
    """Find that the service's credentials are a bearer's, as a sentinel's are: they lie beside its own."""
    path = settings.nats_user_creds_file
    with suppress(CredentialError):  # which is an error that is told of as such
        if path is not None and read_user_credentials(path).is_bearer:
            yield (
                f"NATS_USER_CREDS_FILE: {path} is a bearer's, as a sentinel is that clients show; the service's own "
                "user is none: give creds/callout.creds of the folder that callout bootstrap has made"
            )


def _note(settings: Settings) -> tuple[str, ...]:
    allowed = settings.nats_response_max
    note = (
        f"NATS_RESPONSE_MAX is {allowed}: no bound on publishing holds against a client that means harm; where that "
        "counts set NATS_RESPONSE_MAX=0, and see docs/permissions.md for what clients then need"
    )
    return (note,) if allowed else ()
