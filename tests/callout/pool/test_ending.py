"""callout.pool.ending: the last line of a service whose workers cannot start."""

from pathlib import Path

import pytest

from callout.pool.ending import explain_end
from tests.idle_service import make_settings
from workers.exits import EXPLANATIONS, Exit

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"NATS_URL": f"nats://callout:{SECRET}@nats"}, "NATS_URL: NATS refused the user or the password; "),
        ({"NATS_URL": f"nats://{SECRET}@nats"}, "NATS_URL: NATS refused the token; "),
        ({"NATS_TOKEN": SECRET}, "NATS_TOKEN: NATS refused the token; "),
        ({"NATS_USER_CREDS_FILE": "/u.creds"}, "NATS_USER_CREDS_FILE: NATS refused the user of /u.creds; "),
        ({}, "NATS_URL: NATS lets nobody in without credentials, and it names no user; give "),
        (
            {"NATS_TOKEN": SECRET, "NATS_URL": f"nats://callout:{SECRET}@nats"},
            "NATS_TOKEN: NATS refused the token; ",
        ),
    ],
    ids=["password", "token in the address", "token", "credentials", "nothing", "both"],
)
def test_refused_credentials_are_named_by_their_setting(tmp_path: Path, changes: dict[str, str], line: str) -> None:
    """By the one that is used, with what to do, and without a secret."""
    said = explain_end(make_settings(tmp_path, **changes), Exit.REFUSED)
    assert said.startswith(line)
    assert said.partition("; ")[2].startswith("give " if not changes else "compare ")
    assert SECRET not in said


@pytest.mark.parametrize("ended", [Exit.BAD_SETTINGS, Exit.LAYOUT])
def test_another_end_has_the_explanation_of_its_code(tmp_path: Path, ended: Exit) -> None:
    """The worker has said more."""
    assert f"no worker can start: {EXPLANATIONS[ended]}" == explain_end(make_settings(tmp_path), ended)
