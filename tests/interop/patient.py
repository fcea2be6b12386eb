"""A deployment that `callout doctor` looks at, with what the doctor is given."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.operation import serve
from tests.interop.server_configs import PASSWORD
from tests.minting import creds
from tests.service import Service

DOCTOR = (str(Path(sys.prefix) / "bin/callout"), "doctor", "--json")


class Patient:
    """A deployment that the doctor looks at.

    Attributes:
        environ: what the doctor is given; `callout serve` gets the same.
        options: what of the command line is the same each time.
    """

    def __init__(self, environment: Environment, cluster: ChangingCluster, folder: Path) -> None:
        self.environment = environment
        self.cluster = cluster
        self.folder = folder
        self.environ = environment.service_env() | cluster.variables
        self.options: dict[str, str] = {}
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @property
    def is_operator_mode(self) -> bool:
        """Tell whether accounts are declared by JWTs."""
        return self.environment.is_operator_mode

    async def serve(self) -> Service:
        """Start the service, with the same variables."""
        service = await self._running.enter_async_context(
            serve(self.environment, self.cluster, wait=True, **(self.environ | {"NATS_WORKERS": "1"}))
        )
        self.options["--metrics-url"] = f"http://127.0.0.1:{service.port}/metrics"
        return service

    async def enter(self, manager: Any) -> Any:
        """Keep something open until the end."""
        return await self._running.enter_async_context(manager)

    def write(self, name: str, text: str) -> str:
        """Write a file."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def give_all(self) -> None:
        """Give the doctor all the files that there are for it."""
        keys = self.environment.keys
        system = f"admin:{PASSWORD}"
        if self.is_operator_mode:
            system = creds(keys.user_jwt("admin"), keys.users["admin"].seed)
            self.options["--sentinel"] = self.write("sentinel.creds", creds(keys.sentinel_jwt(), keys.sentinel.seed))
        self.options["--sys-creds"] = self.write("system", system)
        self.options["--token"] = self.write("token", self.cluster.token("orders", "checkout"))

    async def examine(self, *arguments: str, live: bool = True) -> tuple[int, dict[str, dict[str, Any]]]:
        """Have the doctor look; exit code, and the worst finding of each check."""
        options = [word for pair in self.options.items() for word in pair]
        command = (*DOCTOR, *(["--live"] if live else []), *options, *arguments)
        environ = {"PATH": "/usr/bin:/bin", **self.environ}
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
        assert b"" == errors, errors
        assert not any(secret in output.decode() for secret in self._secrets()), "a secret is shown"
        findings = json.loads(output)["findings"]
        severities = ("ok", "notice", "unknown", "wrong")
        findings.sort(key=lambda finding: severities.index(finding["severity"]))
        assert process.returncode is not None
        return process.returncode, {finding["check"]: finding for finding in findings}

    def _secrets(self) -> list[str]:
        keys = self.environment.keys
        seeds = [keys.issuer.seed, keys.clients_signing.seed, keys.curve.seed, keys.sentinel.seed, PASSWORD, "eyJ"]
        return seeds + [user.seed for user in keys.users.values()]


def of_severity(findings: dict[str, dict[str, Any]], severity: str) -> dict[str, str]:
    """What was found of that severity, by check."""
    return {check: one["what"] for check, one in findings.items() if one["severity"] == severity}
