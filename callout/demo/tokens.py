"""The tokens of the demo's clients: good ones, and one for each flaw that a login is refused for."""

import time
import uuid
from pathlib import Path
from typing import Final

from callout.demo.issuer import LocalIssuer
from callout.demo.scenarios import Flaw
from callout.manifests.folder import read_folder
from callout.manifests.manifest import derive_uid
from callout.secret import Secret

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"  # what most clusters are called in their tokens
AUDIENCE: Final = "nats"
HOUR: Final = 3600  # seconds: how long a projected token lives unless the pod asks for another life
DAY: Final = 24 * HOUR  # for the tokens that the user gets: nobody renews them as the kubelet would


class Tokens:
    """Makes tokens for the ServiceAccounts of a folder.

    Args:
        issuer: whose keys the service trusts.
        forger: an issuer of the same name, whose keys it does not.
        folder: with ServiceAccounts in YAML.
        prefix: what the annotations begin with.

    Attributes:
        uids: by `<namespace>/<name>`, of all ServiceAccounts that are there at the start.
        problems: what is wrong with the files, a line each.
    """

    def __init__(self, issuer: LocalIssuer, forger: LocalIssuer, folder: Path, prefix: str) -> None:
        """Read the folder."""
        self._issuer = issuer
        self._forger = forger
        found, self.problems = read_folder(folder, prefix)
        self.uids = {f"{account.namespace}/{account.name}": account.uid for account in found}

    def mint(self, who: str, flaw: Flaw = Flaw.NONE, lifetime: int = HOUR) -> Secret:
        """Make the token of `<namespace>/<name>`, good for `lifetime` seconds unless the flaw is in just that."""
        namespace, _, name = who.partition("/")
        uid = str(uuid.uuid4()) if flaw is Flaw.RECREATED else self.uids.get(who) or derive_uid(namespace, name)
        issuer = self._forger if flaw is Flaw.FORGED else self._issuer
        audience = "another" if flaw is Flaw.AUDIENCE else AUDIENCE
        age = HOUR + lifetime if flaw is Flaw.EXPIRED else 0
        return issuer.mint(namespace, name, uid, audience=audience, issued_at=int(time.time()) - age, lifetime=lifetime)
