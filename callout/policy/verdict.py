"""What the policy answers: subjects that are granted, each with its source, and entries dropped, each with a reason.

The reasons are a closed set, at once metric label, log field and row of the documentation. They stand here with the
limits that they name.
"""

from enum import StrEnum
from typing import Final

import msgspec

from callout.policy.subjects import MAX_SUBJECT_LENGTH
from workers.reasons import Explained

# Characters of one annotation that are read. Both sides at 4 bytes a character are 128 KiB; in the user JWT, itself
# inside the response, base64 makes 228 KiB of them: far below NATS' max_payload of 1 MiB.
MAX_ANNOTATION_LENGTH: Final = 16_384
# Entries of one annotation that are granted. The server builds both lists anew for each connection of the
# ServiceAccount, and tens of thousands of them may come back at once.
MAX_SUBJECTS_PER_SIDE: Final = 100
# Entries of one annotation that are considered, granted or not: 16,384 characters can hold 8,000, and each one costs
# a comparison with every pattern of the ceiling, on the loop that keeps everybody's permissions up to date.
MAX_ENTRIES_PER_SIDE: Final = 200
# Entries that a verdict names; the rest is counted.
MAX_REPORTED: Final = 100
MAX_QUOTED: Final = 120  # characters of a bad entry that a report repeats


class Side(StrEnum):
    """What is permitted: to publish, or to subscribe."""

    PUB = "pub"
    SUB = "sub"


class Source(StrEnum):
    """Where a granted subject comes from."""

    NAMESPACE = "namespace default"
    PRIVATE_INBOX = "private inbox"
    SHARED_INBOX = "shared inbox"
    REPLIES = "replies"
    ANNOTATION = "annotation"


class DropReason(Explained):
    """Why an entry was dropped; the remedy is the ServiceAccount's owner's."""

    TOO_LONG = (
        "too_long",
        f"The subject is longer than {MAX_SUBJECT_LENGTH} bytes.",
        "Shorten it, or separate the subjects with commas if these are several.",
    )
    INVALID = (
        "invalid",
        "This is no valid NATS subject.",
        "Use printable words between single dots, * only as a whole word, > only as the whole last word, no blanks.",
    )
    LEADING_WILDCARD = (
        "leading_wildcard",
        "The subject begins with a wildcard, which covers everybody's inbox.",
        "Begin it with a word.",
    )
    SYSTEM_SPACE = (
        "system_space",
        "The subject touches $SYS, which belongs to the server.",
        "Leave it out; a user of the system account is configured in the server itself.",
    )
    REPLY_SPACE = (
        "reply_space",
        "The subject touches the inboxes and reply subjects: _INBOX…, _REPLY…, _R_… or _GR_….",
        "Leave it out: the own inbox is granted by itself, and so are answers to requests received.",
    )
    STREAM_ADMIN = (
        "stream_admin",
        "The subject makes, changes, empties, copies or deletes whole JetStream streams, whosever they are.",
        "Have streams administered in one place (NACK, say); NATS_STREAM_ADMIN=true lets everybody ask for it.",
    )
    ABOVE_CEILING = (
        "above_ceiling",
        "The subject is not wholly within what the cluster's administrator lets annotations ask for.",
        "Narrow it, or ask the administrator. To subscribe to a.* counts as a.>, because nats-server allows both then.",
    )
    EMPTY = (
        "empty",
        "The annotation is there, and no subject is in it.",
        "Write subjects into it, or remove it; after a YAML > or | they have to be indented.",
    )
    TOO_MANY = (
        "too_many",
        f"Before this one there are {MAX_SUBJECTS_PER_SIDE} granted subjects, or {MAX_ENTRIES_PER_SIDE} entries.",
        "Put several into one with a wildcard.",
    )
    ANNOTATION_TOO_LONG = (
        "annotation_too_long",
        f"The annotation is longer than {MAX_ANNOTATION_LENGTH} characters; from this entry on it was not read.",
        "Shorten the annotation, for example with wildcards.",
    )
    INVALID_IDENTITY = (
        "invalid_identity",
        "Kubernetes could hold no ServiceAccount of that namespace and name, so it gets nothing.",
        "Correct the name in the YAML file.",
    )


SEVERAL: Final = "Separate subjects with commas, not with ; or blanks; a subject itself holds no blanks."
"""The remedy for an invalid entry that looks like several subjects."""


class Granted(msgspec.Struct, frozen=True):
    """A subject that is permitted, and where it comes from."""

    subject: str
    source: Source


class Dropped(msgspec.Struct, frozen=True):
    """An entry that was dropped; its text is for reports: at most MAX_QUOTED characters, and printable.

    `is_several` tells of an invalid one whether it looks like several subjects that no comma separates.
    """

    side: Side
    subject: str
    reason: DropReason
    is_several: bool = False

    @property
    def remedy(self) -> str:
        """What can be done about it."""
        return SEVERAL if self.is_several else self.reason.remedy


class Verdict(msgspec.Struct, frozen=True):
    """What a ServiceAccount gets, and what of its wishes it does not get.

    Attributes:
        pub: what its clients may publish to, the defaults first.
        sub: what its clients may subscribe to, the defaults first.
        dropped: entries of annotations that were not granted, in their order; the first MAX_REPORTED of them.
        unknown_annotations: annotations with our prefix that mean nothing here, such as misspelt ones;
            the first MAX_REPORTED of them.
        unreported: how many findings there are besides.
        denied_pub: what its clients may not publish to, though a granted subject covers it.
        doubtful: granted subjects that were hardly meant as they are written (`callout.policy.annotations`).
    """

    pub: tuple[Granted, ...]
    sub: tuple[Granted, ...]
    dropped: tuple[Dropped, ...]
    unknown_annotations: tuple[str, ...]
    unreported: int = 0
    denied_pub: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
