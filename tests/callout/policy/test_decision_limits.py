"""How much of an annotation counts: whatever is in it, the work and the verdict are bounded."""

from callout.policy.ceiling import Ceiling
from callout.policy.decision import decide, make_record
from callout.policy.verdict import (
    MAX_ANNOTATION_LENGTH,
    MAX_ENTRIES_PER_SIDE,
    MAX_REPORTED,
    MAX_SUBJECTS_PER_SIDE,
    Dropped,
    DropReason,
    Side,
)
from callout.serviceaccounts import ServiceAccount
from tests.callout.policy.asking import PREFIX, PUB, RULES, SUB, annotated, ask, reasons, replace


def test_there_is_a_limit_for_granted_subjects() -> None:
    """Subjects beyond the limit are dropped; entries dropped for another reason do not count."""
    names = [f"s{number}" for number in range(MAX_SUBJECTS_PER_SIDE + 2)]
    verdict = ask(sub=",".join(["a b", "shop.>", *names]))
    assert annotated(verdict)[Side.SUB] == names[:-2]
    assert reasons(verdict) == {"a b": DropReason.INVALID} | dict.fromkeys(names[-2:], DropReason.TOO_MANY)


def test_the_entries_of_an_annotation_that_are_considered_are_limited() -> None:
    """Good or bad, no more than the limit cost anything; the rest is one finding. Empty ones and repeats are none."""
    entries = [f"*.{number}" for number in range(MAX_ENTRIES_PER_SIDE - 1)]
    verdict = ask(pub=",".join(["", *entries, *entries, "a", "b"]), sub=",".join([*entries, "a", "c", "d", "d"]))
    assert annotated(verdict) == {Side.PUB: ["a"], Side.SUB: ["a"]}
    assert len(verdict.dropped) + verdict.unreported == 2 * (len(entries) + 1)
    few = ask(sub=",".join(["shop.>"] * MAX_ENTRIES_PER_SIDE + [f"s{n}.>" for n in range(MAX_ENTRIES_PER_SIDE + 9)]))
    assert [(d.reason, d.subject[:9]) for d in few.dropped][-1] == (DropReason.TOO_MANY, "s199.>,s2")


def test_the_work_for_a_hostile_annotation_is_bounded() -> None:
    """Of thousands of entries a few are compared, with patterns that are written out once for the ServiceAccount."""

    class Pattern(str):
        """Counts how often it is written out."""

        __slots__ = ()

        def replace(self, *_: object) -> str:
            written_out.append(self)
            return str(self)

    written_out: list[str] = []
    patterns = tuple(Pattern(f"events.{number}") for number in range(50))
    annotation = ",".join(f"{number:x}" for number in range(MAX_ANNOTATION_LENGTH))[:MAX_ANNOTATION_LENGTH]
    verdict = ask(pub=annotation, sub=annotation, rules=replace(ceiling=Ceiling(pub=patterns, sub=patterns)))
    assert len(written_out) == 2 * len(patterns)
    assert len(verdict.dropped) + verdict.unreported == 2 * (MAX_ENTRIES_PER_SIDE + 1)


def test_an_annotation_is_read_up_to_a_limit() -> None:
    """From the entry on that crosses the limit nothing is read, and that is said once."""
    filler = "," * (MAX_ANNOTATION_LENGTH - len("a,last"))
    assert annotated(ask(pub=f"a,{filler}last"))[Side.PUB] == ["a", "last"]
    assert annotated(ask(pub=f"a,{filler}last,more"))[Side.PUB] == ["a", "last"]
    verdict = ask(pub=f"a,{filler}longer,more")
    assert annotated(verdict)[Side.PUB] == ["a"]
    assert verdict.dropped == (Dropped(Side.PUB, "longer,more", DropReason.ANNOTATION_TOO_LONG),)


def test_a_long_tail_of_nothing_is_no_finding() -> None:
    """Commas and blanks beyond the limit are no entries."""
    assert ask(pub="a," + ", \n" * MAX_ANNOTATION_LENGTH).dropped == ()


def test_an_annotation_without_a_comma_within_the_limit_is_not_read() -> None:
    """A single endless entry leaves the defaults."""
    verdict = ask(pub="x" * (MAX_ANNOTATION_LENGTH + 1))
    assert list(reasons(verdict).values()) == [DropReason.ANNOTATION_TOO_LONG]
    assert annotated(verdict) == {Side.PUB: [], Side.SUB: []}


def test_a_verdict_names_a_limited_number_of_findings() -> None:
    """Of thousands of bad entries the first are named, the others counted, and the good ones granted."""
    misspelt = {f"{PREFIX}x{number}": "" for number in range(MAX_REPORTED + 2)}
    bad = [f"*.{number}" for number in range(MAX_REPORTED + 3)]
    verdict = decide(ServiceAccount("shop", "checkout", "uid", {**misspelt, PUB: ",".join([*bad, "a"])}), RULES)
    assert [dropped.subject for dropped in verdict.dropped] == bad[:MAX_REPORTED]
    assert list(verdict.unknown_annotations) == list(misspelt)[:MAX_REPORTED]
    assert (verdict.unreported, annotated(verdict)[Side.PUB]) == (5, ["a"])


def test_the_largest_permissions_stay_well_below_what_nats_carries() -> None:
    """Twice in base64, as in the response, they take less than half of NATS' default max_payload of 1 MiB."""
    entry = "\U0001f600" * 40
    annotation = ",".join(f"{entry}{number}" for number in range(1000))
    service_account = ServiceAccount("n" * 63, "s" * 253, "uid", {PUB: annotation, SUB: annotation})
    permissions = make_record(service_account, decide(service_account, RULES), RULES).permissions
    assert len(permissions) * 16 // 9 < (1 << 20) // 2
