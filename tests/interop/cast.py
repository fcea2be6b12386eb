"""Who is in the cluster: the ServiceAccounts that all tests of logins share, each there to show one thing."""

import msgspec

Subjects = tuple[str, ...]


class Account(msgspec.Struct, frozen=True):
    """A ServiceAccount; `pub` and `sub` are what its annotations ask for."""

    namespace: str
    name: str
    pub: Subjects = ()
    sub: Subjects = ()

    @property
    def inbox(self) -> str:
        """The prefix of its private inbox, made as the documentation says."""
        return f"_INBOX_{self.namespace}_{self.name.replace('.', '_')}"


PLAIN = Account("orders", "plain")
NEIGHBOUR = Account("orders", "neighbour")
FOREIGNER = Account("billing", "plain")
PARTNER = Account("billing", "partner", pub=("orders.requests.>", "audit.log"), sub=("orders.events.*",))
# Names that could be taken for one another where dots separate words.
ALIKE = (Account("orders", "a"), Account("orders", "a.b"), Account("orders", "a-b"), Account("orders", "a.b.c"))
STREAMS = Account("orders", "streams", pub=("$JS.API.>", "$JS.*.API.>"))

# What must never be granted, by the reason that the permission table names.
GREED: dict[tuple[str, str], Subjects] = {
    ("pub", "leading_wildcard"): (">", "*", "*.>", "*.x"),
    ("pub", "system_space"): ("$SYS.>", "$SYS.REQ.USER.AUTH", "$SYS.*.x"),
    ("pub", "reply_space"): ("_INBOX.>", "_INBOX_orders_plain.>", "_R_.>", "_REPLY.x", "_GR_.x"),
    ("pub", "invalid"): ("a..b", ".a", "a.", "a b", "a.>.b", "a*"),
    ("pub", "stream_admin"): ("$JS.API.STREAM.CREATE.loot",),
    ("sub", "leading_wildcard"): (">", "*", "*.>", "*.*"),
    ("sub", "system_space"): ("$SYS.>", "$SYS.ACCOUNT.*.CONNECT"),
    ("sub", "reply_space"): ("_INBOX_orders_plain.>", "_INBOX_orders_plain.*", "_R_.*.>", "_REPLY.>", "_GR_.>"),
    ("sub", "invalid"): ("_INBOX_*.>", "_INBOX*.>", "_INBOX_orders_plain>"),
}
GREEDY = Account(
    "orders",
    "greedy",
    pub=(*(subject for (side, _), subjects in GREED.items() for subject in subjects if side == "pub"), "news.out"),
    sub=(*(subject for (side, _), subjects in GREED.items() for subject in subjects if side == "sub"), "news.in"),
)

CAST = (PLAIN, NEIGHBOUR, FOREIGNER, PARTNER, *ALIKE, STREAMS, GREEDY)
NOBODY = Account("orders", "nobody")
"""The one who is not there."""
