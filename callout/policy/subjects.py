"""The algebra of NATS subjects: which are valid, which have messages in common, which contains which.

A subject is a row of tokens between dots. A pattern may hold `*` (any one token) and, as its last token, `>` (one or
more tokens). Patterns of our own may also hold a token that ends in `…`: any token with that beginning.

Rules kept here:
- What `is_valid` accepts, nats-server accepts as a permission: it refuses a whole login for one malformed subject.
  So it is stricter than `IsValidSubject` (nats-server, server/sublist.go) and `Subject.Validate` (nats-io/jwt,
  v2/types.go) together: a wildcard inside a token, which NATS takes literally, is nearly always a mistake.
- Set questions are answered by the tokens, never by comparing the text: `*.x` and `a.>` share `a.x`.
- A token is a beginning that is open or closed: `*` is the empty beginning, open; `_INBOX…` is `_INBOX`, open; a word
  is that word, closed. With that, three kinds of token need one comparison.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

ANY: Final = "*"  # one whole token
REST: Final = ">"  # the last token: one or more tokens
BEGINNING: Final = "…"  # ours, at the end of a token; never part of a valid subject, so the two grammars cannot mix

# Bytes. A client's PUB has to name a subject, a reply subject and two sizes in one control line of at most 4,096 bytes
# (nats-server, MAX_CONTROL_LINE_SIZE); a quarter of it leaves room. The longest private inbox takes 326.
MAX_SUBJECT_LENGTH: Final = 1024

# U+FFFD is what broken UTF-8 turns into; nats-server refuses it in a published subject when it checks at all.
_REFUSED: Final = frozenset((" ", BEGINNING, "\N{REPLACEMENT CHARACTER}"))


class Patterns:
    """Some patterns, taken apart once for all the subjects that they are compared with.

    They stand in a tree of tokens, so that what they have in common is compared once: an administrator's fifty
    patterns, nearly all of which begin with the same words, cost little more than one.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """Take them apart."""
        self._patterns = [pattern.split(".") for pattern in patterns]
        self._root = _Node()
        for pattern in self._patterns:
            node = self._root
            for token in pattern:
                node = node.grow(token)
            node.is_end = True

    def covers(self, subject: str) -> bool:
        """Tell whether one of the patterns covers the subject."""
        nodes = [self._root]
        for token in subject.split("."):
            if any(node.takes_rest for node in nodes):
                return True
            nodes = [] if token == REST else [after for node in nodes for after in node.follow(token)]
        return any(node.is_end for node in nodes)

    def overlaps(self, subject: str) -> bool:
        """Tell whether the subject has something in common with one of the patterns."""
        tokens = subject.split(".")
        return any(_overlap(pattern, tokens) for pattern in self._patterns)


class _Node:
    """Where patterns stand after some tokens: which may come next, and whether one may end here."""

    def __init__(self) -> None:
        self.is_end = False
        self.takes_rest = False
        self._closed: dict[str, _Node] = {}
        self._open: dict[str, _Node] = {}

    def grow(self, token: str) -> "_Node":
        """Return the node behind a pattern's token, which is made if there is none."""
        self.takes_rest |= token == REST
        beginning, is_open = _read(token)
        return (self._open if is_open else self._closed).setdefault(beginning, _Node())

    def follow(self, token: str) -> Iterator["_Node"]:
        """Give the nodes behind the tokens that cover this one."""
        beginning, is_open = _read(token)
        if not is_open and (after := self._closed.get(token)):
            yield after
        for wide, after in self._open.items():
            if beginning.startswith(wide):
                yield after


def is_valid(subject: str) -> bool:
    """Tell whether a subject may stand in a permission.

    Valid are 1 to MAX_SUBJECT_LENGTH bytes of printable Unicode without blanks, in tokens that are not empty, `*` and
    `>` only as whole tokens and `>` only as the last.
    """
    if not subject.isprintable() or not _REFUSED.isdisjoint(subject) or measure(subject) > MAX_SUBJECT_LENGTH:
        return False
    *head, last = subject.split(".")
    return all(_is_word(token) or token == ANY for token in head) and (_is_word(last) or last in (ANY, REST))


def measure(subject: str) -> int:
    """Return the length in bytes, as NATS counts it; text that is no valid Unicode is measured too."""
    return len(subject.encode(errors="surrogatepass"))


def overlaps(a: str, b: str) -> bool:
    """Tell whether some subject matches both patterns."""
    return _overlap(a.split("."), b.split("."))


def covers(wider: str, narrower: str) -> bool:
    """Tell whether every subject that matches `narrower` matches `wider` too.

    With a `narrower` without wildcards this is the question whether that subject matches.
    """
    return _covers(wider.split("."), narrower.split("."))


def widen_for_subscriber(subject: str) -> str:
    """Return the pattern of what a client can really receive that may subscribe to `subject`.

    nats-server looks a subscription up among the permissions as if its wildcards were words (client.go, canSubscribe;
    sublist.go, matchLevel), and a final `*` matches the word `>`: who may subscribe to `a.*` may subscribe to `a.>`.
    Seen on 2.10, 2.14 and 2.15.
    """
    return subject[:-1] + REST if subject == ANY or subject.endswith("." + ANY) else subject


def _overlap(a: Sequence[str], b: Sequence[str]) -> bool:
    for x, y in zip(a, b, strict=False):
        if REST in (x, y):
            return True
        if not _tokens_overlap(x, y):
            return False
    return len(a) == len(b)


def _covers(wider: Sequence[str], narrower: Sequence[str]) -> bool:
    for wide, narrow in zip(wider, narrower, strict=False):
        if wide == REST:
            return True
        if narrow == REST or not _token_covers(wide, narrow):
            return False
    return len(wider) == len(narrower)


def _is_word(token: str) -> bool:
    return bool(token) and ANY not in token and REST not in token


def _read(token: str) -> tuple[str, bool]:
    """Return a token's beginning, and whether it is open: whether anything may follow it."""
    if token == ANY:
        return "", True
    if token.endswith(BEGINNING):
        return token[:-1], True
    return token, False


def _tokens_overlap(a: str, b: str) -> bool:
    (a, a_open), (b, b_open) = _read(a), _read(b)
    return a == b or (a_open and b.startswith(a)) or (b_open and a.startswith(b))


def _token_covers(wide: str, narrow: str) -> bool:
    if wide == narrow:
        return True
    beginning, is_open = _read(wide)
    return is_open and _read(narrow)[0].startswith(beginning)
