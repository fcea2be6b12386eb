"""How NACK's streams get at what clients publish: accounts isolate absolutely, so something has to join them.

Seen on real servers (docs/nack.md has it at length):
- inside: NACK's user is one of the clients' account, which has JetStream. Everything works.
- import: the clients' account exports the subjects as a stream, NACK's imports them. Messages are stored; the
  acknowledgement of JetStream finds no way back.
- service: NACK's account exports the subjects as a service, the clients' imports it. Stored and acknowledged. To
  consume, clients fetch messages and acknowledge them over the same bridge: more services.

Rules kept here:
- Only one account has JetStream: where two have it, `$JS.API` means something else in each.
- NACK's user may call the API of JetStream and hear the answers; what is in the streams is none of its business.
"""

from typing import Final

import msgspec

from callout.bootstrap.choices import Choices, Layout
from callout.nats_jwt import Export, Import, Permissions, User

NACK_USER: Final = User(pub=Permissions(allow=("$JS.API.>",)), sub=Permissions(allow=("_INBOX.>",)))
# To fetch messages is one request with many answers. Creating and deleting is not in it: that is what NACK is for.
_CONSUMING: Final = (
    Export("$JS.API.CONSUMER.MSG.NEXT.>", "service", "fetch", "Stream"),
    Export("$JS.API.CONSUMER.INFO.>", "service", "consumers"),
    Export("$JS.ACK.>", "service", "acknowledge"),
)


class Bridge(msgspec.Struct, frozen=True):
    """What passes from one account to another: `source` exports it, `target` imports all of it."""

    source: str
    target: str
    exports: tuple[Export, ...]

    def imports(self, source_key: str) -> tuple[Import, ...]:
        """What the other account has to import; `source_key` is the public key of the exporting account."""
        return tuple(Import(one.subject, source_key, one.type, one.name) for one in self.exports)


def build_bridge(choices: Choices) -> Bridge | None:
    """Return what joins the clients' account to NACK's, by the accounts' names; None if nothing needs to."""
    clients, nack = choices.client_account, choices.nack_account
    match choices.nack:
        case Layout.IMPORT:
            return Bridge(clients, nack, tuple(Export(one, "stream", one) for one in choices.events))
        case Layout.SERVICE:
            events = tuple(Export(one, "service", one) for one in choices.events)
            return Bridge(nack, clients, events + _CONSUMING)
    return None


def find_stream_account(choices: Choices) -> str:
    """Return the name of the account that has JetStream; NACK's user, if there is one, belongs to it."""
    return choices.nack_account if choices.nack in (Layout.IMPORT, Layout.SERVICE) else choices.client_account
