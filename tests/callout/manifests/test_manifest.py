"""ServiceAccounts out of manifests: what is read, what is passed over, what becomes a line for the operator."""

import json
import uuid

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.manifests import manifest as manifests
from callout.manifests.manifest import Manifest, derive_uid, read_manifest
from callout.serviceaccounts import ServiceAccount, is_valid_identity

PREFIX = "nats.io/"
PUB = PREFIX + "allowed-pub-subjects"
NO_UID = "ServiceAccount shop/checkout: metadata.uid is no uid; without one, one is derived from the name"
NO_TEXT = f"annotation '{PUB}' is no text; write the subjects in one line, with commas"

labels = st.text(st.sampled_from("ab1-"), min_size=1, max_size=5).filter(lambda s: s.strip("-") == s)
texts = st.text(st.characters(exclude_categories=("C", "Zl", "Zp"), max_codepoint=0xFFFF), max_size=12)

# Pieces of manifests, and of what YAML can do besides.
PIECES = (
    *("kind: ", "ServiceAccount", "List", "apiVersion: v1", "metadata:", "name: ", "items:", "annotations: ", PUB),
    *(
        "\n",
        "\n---\n",
        "---",
        "  ",
        "a",
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "|",
        "#",
    ),
)


def describe(namespace: object = "shop", name: str = "checkout", **metadata: object) -> dict[str, object]:
    """A ServiceAccount as an object of a manifest."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, **metadata},
    }


def read(*objects: object) -> Manifest:
    """Read a manifest that holds these objects, a document each."""
    return read_manifest(yaml.safe_dump_all(objects, allow_unicode=True), PREFIX)


def account(namespace: str = "shop", name: str = "checkout", **annotations: str) -> ServiceAccount:
    """The ServiceAccount that should come out, with the derived uid."""
    return ServiceAccount(namespace, name, derive_uid(namespace, name), annotations)


def test_a_serviceaccount_keeps_our_annotations_and_its_uid() -> None:
    """Namespace, name, uid and the annotations with the prefix are read, and nothing else."""
    manifest = read(describe(uid="the-uid", annotations={PUB: "a.>, b", "other/x": "y"}, labels={"app": "x"}))
    assert manifest == Manifest((ServiceAccount("shop", "checkout", "the-uid", {PUB: "a.>, b"}),))


def test_namespace_and_uid_may_be_left_out() -> None:
    """The namespace is `default`, as kubectl has it; the uid is made of the name, the same each time."""
    text = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a.b, namespace: , uid: , annotations: }\n"
    assert read_manifest(text, PREFIX) == Manifest((account("default", "a.b"),))
    assert derive_uid("default", "a.b") == str(uuid.UUID(derive_uid("default", "a.b")))
    assert derive_uid("default", "a.b") != derive_uid("default", "a-b")


def test_other_kinds_and_comments_are_passed_over() -> None:
    """A manifest may hold whatever an application needs besides."""
    text = "# nothing\n---\nkind: Secret\ndata: {x: !!int abc}\n---\n# nothing either\n---\n"
    assert read_manifest(text, PREFIX) == Manifest()
    assert read({"kind": "Namespace"}, {"kind": "List"}, {"kind": "List", "items": [1, {"kind": "Pod"}]}) == Manifest()


def test_a_list_holds_serviceaccounts() -> None:
    """What `kubectl get serviceaccounts -o yaml` prints is read."""
    assert read({"kind": "List", "items": [describe(name="a"), {"kind": "Pod"}, describe(name="b")]}) == Manifest(
        (account(name="a"), account(name="b"))
    )


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ("text", "no Kubernetes object: it has no kind"),
        ({"metadata": {}}, "no Kubernetes object: it has no kind"),
        ({"kind": ["ServiceAccount"]}, "no Kubernetes object: it has no kind"),
        ({**describe(), "apiVersion": "v2"}, "a ServiceAccount has apiVersion: v1"),
        ({"kind": "ServiceAccount", "apiVersion": "v1"}, "a ServiceAccount without metadata.name"),
        ({**describe(), "metadata": {"generateName": "a-"}}, "a ServiceAccount without metadata.name"),
        (describe(name="Bad_Name"), "ServiceAccount 'Bad_Name': Kubernetes allows no such name or namespace"),
        (describe(namespace="*"), "ServiceAccount 'checkout': Kubernetes allows no such name or namespace"),
        (describe(namespace=["b"]), "ServiceAccount 'checkout': Kubernetes allows no such name or namespace"),
        (describe(uid="a\0b"), NO_UID),
        (describe(uid=["a"]), NO_UID),
    ],
)
def test_what_is_no_serviceaccount_becomes_a_line(found: object, problem: str) -> None:
    """The line names the document and says what is wrong; the others are served."""
    manifest = read(describe(name="before"), found, describe(name="after"))
    assert [one.name for one in manifest.service_accounts] == ["before", "after"]
    assert [line.split(": ", 1)[1] for line in manifest.problems] == [problem]
    assert manifest.problems[0].startswith("document 2 (line ")
    assert manifest.is_whole


@pytest.mark.parametrize(
    ("annotations", "kept", "problem"),
    [
        ([], {}, None),
        (["x"], {}, "metadata.annotations is no mapping and was passed over"),
        ({PUB: ["a"], "nats.io/x": "y"}, {"nats.io/x": "y"}, NO_TEXT),
        ({"<<": {PUB: "a"}}, {}, "YAML merge keys (<<) are not followed; write the annotations out"),
        ({"other/x": ["y"]}, {}, None),
        ({PUB: 5}, {PUB: "5"}, None),
    ],
)
def test_a_bad_annotation_does_not_remove_the_serviceaccount(
    annotations: object, kept: dict[str, str], problem: str | None
) -> None:
    """What cannot be meant is left out and named; the ServiceAccount stays."""
    manifest = read(describe(annotations=annotations))
    assert manifest.service_accounts == (account(**kept),)
    expected = [] if problem is None else [f"document 1 (line 1): ServiceAccount shop/checkout: {problem}"]
    assert expected == list(manifest.problems)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("a: b: c", "broken YAML in line 9: mapping values are not allowed in this context"),
        ("a: *b", "broken YAML in line 9: found undefined alias"),
        ("a: &a [*a]", "broken YAML in line 9: found unconstructable recursive node"),
        ("'", "broken YAML in line 10: found unexpected end of stream"),
        ("a: \x07", "broken YAML: it holds characters that YAML does not allow"),
        ("a: \ud800", "broken YAML: it holds characters that YAML does not allow"),
        ("[" * 100, "nested more than 50 deep, which no Kubernetes object is"),
        ("- " * 1_000_000, "nested more than 50 deep, which no Kubernetes object is"),
        ("{a: " * 100_000, "nested more than 50 deep, which no Kubernetes object is"),
        ("- a\n" * 100_000, "too large for one document: divide it with lines of ---"),
    ],
)
def test_a_broken_document_harms_no_other(document: str, problem: str) -> None:
    """The line names document and line of the file, the documents around it are served, and more may be missing."""
    good = yaml.safe_dump(describe())
    manifest = read_manifest(f"---\n{good}---\n\n{document}\n---  # the last\n{good}", PREFIX)
    assert manifest == Manifest((account(), account()), (f"document 2 (line 7): {problem}",), is_whole=False)


def test_a_file_holds_a_limited_number_of_objects() -> None:
    """Beyond the limit nothing is read, which is said; an alias counts as often as it is used."""
    one, other = json.dumps(describe(name="one")), json.dumps(describe(name="other"))
    text = f"{one}\n---\nkind: List\nitems:\n- &a {other}\n" + "- *a\n" * manifests.MAX_OBJECTS + f"---\n{one}\n"
    manifest = read_manifest(text, PREFIX)
    assert [found.name for found in manifest.service_accounts] == ["one"] + ["other"] * manifests.MAX_OBJECTS
    assert list(manifest.problems) == [
        f"document 2 (line 2): more than {manifests.MAX_OBJECTS} objects in one file; from here on it was not read"
    ]
    assert not manifest.is_whole


def test_problems_are_counted_beyond_a_limit() -> None:
    """A file full of mistakes does not fill the log."""
    manifest = read(*["x"] * (manifests.MAX_PROBLEMS + 2))
    assert len(manifest.problems) == manifests.MAX_PROBLEMS + 1
    assert manifest.problems[-1] == "and 2 more problems"


@given(
    st.lists(st.tuples(labels, labels, st.dictionaries(texts.map(PREFIX.__add__), texts)), max_size=4), st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read(wanted: list[tuple[str, str, dict[str, str]]], as_list: bool) -> None:
    """Any ServiceAccounts, dumped as documents or as a list, come back as they were."""
    objects = [describe(namespace, name, annotations=annotations) for namespace, name, annotations in wanted]
    manifest = read({"kind": "List", "items": objects}) if as_list else read(*objects)
    assert [account(namespace, name, **annotations) for namespace, name, annotations in wanted] == list(
        manifest.service_accounts
    )
    assert manifest.problems == ()


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=500, deadline=None)
def test_no_text_crashes_the_reader(text: str) -> None:
    """Any text ends in ServiceAccounts with possible names, and lines for the rest."""
    manifest = read_manifest(text, PREFIX)
    assert all(is_valid_identity(found.namespace, found.name) for found in manifest.service_accounts)
    assert all(len(line.splitlines()) == 1 for line in manifest.problems)
    assert manifest.is_whole or manifest.problems
