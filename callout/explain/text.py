"""An explanation as lines for a terminal. What it says is decided in `callout.explain.explanation`."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from callout.explain.explanation import Explanation, Grant, NotGranted, Permissions, Span, Why
from callout.explain.moments import format_moment, format_seconds
from callout.explain.survey import Finding, Survey
from callout.explain.verification import Step
from callout.policy.verdict import Side
from workers.sa_token import LEEWAY_S

WIDTH: Final = 100  # columns
MAX_SAID: Final = 3  # findings in the line of one ServiceAccount among all
_INDENT: Final = "  "
_STATES: Final = {"passed": "ok", "failed": "NO", "not reached": "-"}
_MISUSE: Final = (
    "A client that means harm sends such requests to itself, and so publishes anywhere; NATS_RESPONSE_MAX=0 prevents "
    "that, see docs/permissions.md."
)
_VERBS: Final = {Side.PUB: "publish", Side.SUB: "subscribe"}


def render(explanation: Explanation) -> list[str]:
    """Write an explanation, section by section."""
    sections = [_wrap(explanation.caveat, "")] if explanation.caveat else []
    sections += [[*_say_verdict(explanation), *_say_uid(explanation)], *_say_why(explanation)]
    if explanation.steps:
        sections.append(["The token, step by step:", *_say_steps(explanation.steps)])
    if explanation.serviceaccount and explanation.steps and not explanation.allowed:
        hint = (
            f"'callout explain --serviceaccount {explanation.serviceaccount}' shows what a good token of it would get."
        )
        sections.append([hint])
    if explanation.permissions and explanation.ends:
        sections += _say_permissions(explanation.permissions)
        sections.append(_say_rest(explanation.permissions, explanation.ends))
    if explanation.notes:
        sections.append(["Worth knowing:", *_fill(explanation.notes)])
    return [line for section in sections for line in (*section, "")][:-1]


def render_why(why: Why) -> list[str]:
    """Write a reason, with what it means and what can be done."""
    return [why.reason, *_fill((why.meaning, why.remedy))]


def render_survey(survey: Survey) -> list[str]:
    """Write a line for each ServiceAccount that is worth a look, and the sum below them."""
    lines = [*map(_say_finding, survey.findings), *survey.notes]
    some = len(survey.findings) or "none"
    number = survey.serviceaccounts
    all_of_them = f"{number:,} ServiceAccount{'' if number == 1 else 's'}"
    sums = f"{all_of_them}, {some} with annotations that do not count as they stand."
    hint = ["'callout explain --serviceaccount NAMESPACE/NAME' tells what to do."] if survey.findings else []
    return [*lines, *([""] if lines else []), sums, *hint]


def _say_finding(finding: Finding) -> str:
    found = [f"{_VERBS[one.side]} {one.subject or 'nothing'}: {one.why.reason}" for one in finding.not_granted]
    found += [f"{name} means nothing" for name in finding.unknown_annotations]
    found += [f"{subject} is granted as one" for subject in finding.doubtful]
    more = len(found[MAX_SAID:]) + finding.unreported
    return f"{finding.serviceaccount}: {'; '.join([*found[:MAX_SAID], *([f'and {more} more'] if more else [])])}"


def _say_verdict(explanation: Explanation) -> list[str]:
    who = explanation.serviceaccount
    if explanation.permissions:
        account = explanation.permissions.account
        return [f"{who} would be let in{f', to account {account}' if account else ''}."]
    if explanation.steps:
        who = f"A client with this token{f', which names {who},' if who else ''}"
    return [f"{who} would be refused."]


def _say_uid(explanation: Explanation) -> list[str]:
    origin = ", derived from its name, since its manifest has none" if explanation.uid_is_derived else ""
    return [f"Its uid is {explanation.uid}{origin}."] if explanation.permissions else []


def _say_why(explanation: Explanation) -> Iterator[list[str]]:
    why = explanation.refusal
    if why is not None:
        first, *rest = render_why(why)
        yield [_INDENT + first, *rest]


def _say_steps(steps: Sequence[Step]) -> list[str]:
    width = max(len(step.name) for step in steps)
    lines = []
    for step in steps:
        head = f"{_INDENT}{step.name:{width}}  {_STATES[step.state]:2}  "
        lines += _wrap(step.detail, head)
    return lines


def _say_permissions(permissions: Permissions) -> Iterator[list[str]]:
    yield ["It may publish to:", *_say_grants(permissions.publish), *_say_answers(permissions)]
    if permissions.never_publish:
        lines = [f"{_INDENT}{subject}" for subject in permissions.never_publish]
        yield ["But not to these, which administer streams (NATS_STREAM_ADMIN):", *lines]
    yield ["It may subscribe to:", *_say_grants(permissions.subscribe)]
    if permissions.not_granted:
        yield ["Not granted:", *(line for one in permissions.not_granted for line in _say_not_granted(one))]
    if permissions.unknown_annotations:
        pairs = zip(permissions.unknown_annotations, permissions.annotation_remedies, strict=True)
        yield ["Annotations that mean nothing:", *_fill(f"{name}; {remedy}" for name, remedy in pairs)]
    if permissions.unreported:
        yield [f"And {permissions.unreported} more findings like these."]


def _say_grants(grants: Sequence[Grant]) -> list[str]:
    width = max((len(grant.subject) for grant in grants), default=0)
    lines = []
    for grant in grants:
        lines.append(f"{_INDENT}{grant.subject:{width}}  {grant.source}")
        if grant.reach:
            lines.append(f"{_INDENT}{'':{width}}  (nats-server then allows {grant.reach} too)")
        if grant.doubt:
            lines.append(f"{_INDENT}{'':{width}}  ({grant.doubt})")
    return lines


def _say_answers(permissions: Permissions) -> list[str]:
    if not permissions.answers:
        return [f"{_INDENT}answers to requests it receives: only into inboxes (NATS_RESPONSE_MAX=0)"]
    counts = {1: "one answer", -1: "any number of answers"}
    count = counts.get(permissions.answers, f"{permissions.answers} answers")
    time = format_seconds(permissions.answer_seconds)
    return [f"{_INDENT}and {count} to each request that it receives, within {time}", *_wrap(_MISUSE, _INDENT * 2)]


def _say_not_granted(one: NotGranted) -> list[str]:
    head = f"{_INDENT}{_VERBS[one.side]} {one.subject or 'nothing'}: {one.why.reason}"
    return [head, *_wrap(f"{one.why.meaning} {one.why.remedy}", _INDENT * 2)]


def _say_rest(permissions: Permissions, ends: Span) -> list[str]:
    share = f"{ends.jitter:.0%}"
    limits = f"NATS_USER_TTL is {format_seconds(ends.ttl)}, less a random share of up to {share}"
    if ends.earliest is None or ends.latest is None:
        end = f"A login ends with its token, at most {LEEWAY_S} s after it, or sooner: {limits}."
    elif ends.earliest == ends.latest:
        end = f"A login now ends at {format_moment(ends.latest)}."
    else:
        end = f"A login now ends between {format_moment(ends.earliest)} and {format_moment(ends.latest)}: {limits}."
    inbox = f"Set the client's inbox prefix to {permissions.inbox_prefix}, so that nobody else can read its replies."
    return [line for text in (inbox, end) for line in _wrap(text, "")]


def _fill(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in _wrap(text, _INDENT)]


def _wrap(text: str, head: str) -> list[str]:
    """Break a text into lines below each other; subjects and URLs stay whole, since they are copied from here."""
    tail = " " * len(head)
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=tail, break_long_words=False, break_on_hyphens=False
    )
    return lines or [head.rstrip()]
