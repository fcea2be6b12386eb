"""No token, seed, password or JWT is ever to be seen: in the log, on a page, in a list of processes, in a file."""

import stat
from pathlib import Path

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.known_secrets import secrets_of
from tests.interop.operation import is_let_in, on, serve
from tests.minting import Issuer, NatsKey, PretendServer

SETTINGS = [Setting(mode, xkey=True, binary=BINARIES[0]) for mode in ("server", "operator-creds")]
LONGER = 3000
"""Characters that make a token too long for a server to let it through."""
PAGES = ("/", "/livez", "/readyz", "/health", "/metrics", "/nothing")


@on(*SETTINGS)
async def test_secrets_are_seen_nowhere(environment: Environment, tmp_path: Path) -> None:
    """Not even at the level of debug, and whatever clients and others have sent."""
    cluster = ChangingCluster(tmp_path)
    cluster.put("orders", "checkout")
    good = cluster.token("orders", "checkout")
    forged = Issuer.generate("ES256", cluster.signer.kid).sign({"sub": "system:serviceaccount:orders:checkout"})
    tokens = [good, forged, cluster.token("orders", "nobody"), good + "A" * LONGER]
    secrets = [*secrets_of(environment), *(part for token in tokens for part in token.split(".")[1:])]
    folder = tmp_path / "snapshot"
    folder.mkdir(mode=0o755)
    async with serve(environment, cluster, SNAPSHOT_DIR=str(folder), LOG_LEVEL="debug") as service:
        for token in tokens:
            assert (token == good) == await is_let_in(environment, token)
        async with await environment.injector() as injector:
            strange = PretendServer(NatsKey.generate("server")).request("nobody", now=0, token=good)
            for payload in (good.encode(), strange.payload, b"xkv1" + good.encode()):
                await injector.send(payload)
        await service.logged("requests dropped")
        look(secrets, {page: service.get(page)[1] for page in PAGES})
        look(secrets, {f"process {pid}": command_line(pid) for pid in (service.pid, *service.worker_pids())})
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {"data.mdb", "lock.mdb"} <= {path.name for path in files}
        look(secrets, {str(path): path.read_bytes() for path in files})
        assert [] == [path for path in files if not is_closed_to_others(path, folder)]
        assert 0 == await service.stop()
    look(secrets, {"the log": service.output().encode()})


def look(secrets: list[str], places: dict[str, bytes]) -> None:
    """Fail if one of the secrets can be seen at one of the places."""
    assert [] == [(place, secret) for place, seen in places.items() for secret in secrets if secret.encode() in seen]


def command_line(pid: int) -> bytes:
    """What every user of the machine may read of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def is_closed_to_others(path: Path, top: Path) -> bool:
    """Tell whether the file, or a folder on the way to it from `top`, is closed to other users."""
    way = [path, *(folder for folder in path.parents if folder.is_relative_to(top))]
    return any(not step.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) for step in way)
