"""callout.config.policy_rules: NATS_CEILING_FILE."""

from pathlib import Path

import pytest

from callout.config.policy_rules import MAX_CEILING_BYTES, read_ceiling
from callout.policy.ceiling import Ceiling


def test_without_a_file_there_is_no_ceiling() -> None:
    """Nothing but the reserved spaces bounds annotations."""
    assert read_ceiling(None) == Ceiling()


def test_a_ceiling_is_read(tmp_path: Path) -> None:
    """With the patterns of each side."""
    path = tmp_path / "ceiling.yaml"
    path.write_text('pub: ["{namespace}.>", "events.>"]\nsub: [">"]\n')
    assert read_ceiling(path) == Ceiling(pub=("{namespace}.>", "events.>"), sub=(">",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "a ceiling is a mapping"),
        (b"pub: [", "not valid YAML in line 1; write two lists"),
        (b"pub: []\nsub: [\nx: : ]", "not valid YAML in line 3; write two lists"),
        (b"[" * 5000, "not valid YAML"),
        (b"\xff\xfe\x00\x00", "not valid YAML"),
        (b"pub: !!python/object/apply:os.system ['true']", "not valid YAML"),
        (b"pub: []", '"sub" is missing'),
        (b"pub: []\nsub: ['>']\n'pub': ['>']", "'pub' is named twice"),
        (b"<<: {pub: ['>']}\npub: []\nsub: []", "'pub' is named twice"),
        (b"pub: []\nsub: [{a: 1, a: 2}]", "'a' is named twice"),
        (b"? [1]\n: []", "not valid YAML"),
        (b"publish: []", "unknown key 'publish'"),
        (b"pub: 'a..b'\nsub: []", '"pub" has to be a list'),
        (b"#" * (MAX_CEILING_BYTES + 1), "cannot be read: larger than"),
    ],
)
def test_what_is_no_ceiling_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    """The line names setting, file and fault."""
    path = tmp_path / "ceiling.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^NATS_CEILING_FILE: ") as raised:
        read_ceiling(path)
    assert reason in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """As is any other that cannot be read."""
    with pytest.raises(ValueError, match=r"^NATS_CEILING_FILE: .* cannot be read: no such file or directory; give "):
        read_ceiling(tmp_path / "none")
