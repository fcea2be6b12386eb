"""What the service will warn of is told before, as far as it is known."""

import tempfile
from pathlib import Path

import msgspec
import pytest

from callout.config.table import Settings
from callout.preflight.foresight import foresee
from callout.workspace import warn_of_disk
from tests.callout.preflight.samples import make_settings, write
from tests.minting import Issuer

API = "https://kubernetes.default.svc"
OTHER = "https://other.example"
NOW = 1_700_000_000


@pytest.fixture
def valid(tmp_path: Path) -> Settings:
    """Settings of a pod, of which there is nothing to say."""
    return make_settings(tmp_path)


def look(settings: Settings, directory: Path, **changes: object) -> list[str]:
    """Foresee with some changes of the settings; each line has the variable's name and begins as it is returned."""
    return [line.partition(",")[0] for line in foresee(msgspec.structs.replace(settings, **changes), directory)]


@pytest.mark.parametrize(
    ("audiences", "issuers", "found"),
    [
        (("nats",), (), []),
        (("nats",), ("nats",), ["nats"]),
        (("nats", API), (), [API]),
    ],
)
def test_an_audience_of_the_api_servers_is_foreseen(
    valid: Settings, tmp_path: Path, audiences: tuple[str, ...], issuers: tuple[str, ...], found: list[str]
) -> None:
    """By its name, or because it is the issuer."""
    said = look(valid, tmp_path, jwt_audience=audiences, jwt_issuer=issuers)
    assert [f"JWT_AUDIENCE: {one} is for the API server" for one in found] == said


def test_what_the_pods_own_token_tells_is_foreseen(valid: Settings, tmp_path: Path) -> None:
    """If it is the service's way to the API server, and not where ServiceAccounts come from files."""
    token = Issuer.generate("EdDSA", "k1").token("nats", "callout", "u-1", audience="api.example", issuer=API, now=NOW)
    write(tmp_path / "token", token + "\n")
    changes = {"jwt_audience": ("api.example",), "jwt_issuer": (OTHER,)}
    assert [
        "JWT_AUDIENCE: api.example is for the API server",
        f"JWT_ISSUER: this cluster's tokens are of {API}",
    ] == look(valid, tmp_path, **changes)
    for elsewhere in ({"serviceaccounts_path": tmp_path}, {"k8s_in_cluster": False}):
        assert [] == look(valid, tmp_path, **changes, **elsewhere)
    assert [] == look(valid, tmp_path, jwt_issuer=(API,))


def test_a_snapshot_on_a_disk_is_foreseen(valid: Settings, tmp_path: Path) -> None:
    """Of the folder as it is, and of one that is not there yet; of one in memory there is nothing to say."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        for place in (Path(folder), Path(folder) / "new"):
            expected = [line.partition(",")[0] for line in warn_of_disk(place)]
            assert expected == look(valid, tmp_path, snapshot_dir=place)
    assert [] == look(valid, tmp_path, snapshot_dir=Path("/dev/shm/callout"))
