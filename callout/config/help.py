"""The settings for people: the help of `callout config`, the README's table, and the values in force.

Rules kept here:
- All of it is made from the one table, so that it cannot say anything else than what is done.
- Secrets are hidden, and what is shown of the others can be set again as it stands.
"""

import textwrap
from typing import Final

import msgspec

from callout.config.combinations import Values, is_required
from callout.config.nats_url import NATS_ADDRESSES, redact
from callout.config.table import ALIASES, IGNORED, TABLE, Setting, Settings, say_required
from callout.secret import HIDDEN, Secret

WIDTH: Final = 100  # columns of the plain text
WRONG, MISSING = "(wrong)", "(missing)"
"""In place of a value that there is not."""


def describe() -> str:
    """Write the help: every setting with its default and what it does, in plain text."""
    paragraphs = []
    for setting in TABLE:
        title = f"{setting.name} ({_standing(setting)})" + (" [secret]" if setting.secret else "")
        body = f"{setting.about} Give {setting.form.gives}."
        paragraphs.append(title + "\n" + textwrap.fill(body, WIDTH, initial_indent="    ", subsequent_indent="    "))
    paragraphs += [f"{old}\n    Old name of {new}." for old, new in ALIASES.items()]
    paragraphs += [f"{name}\n    Accepted and ignored: {why}." for name, why in IGNORED.items()]
    return "\n".join(paragraphs)


def markdown_table() -> str:
    """Write the README's table."""
    lines = ["| Variable | Default | What it does | In the Go service |", "|---|---|---|---|"]
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default is not None else _standing(setting)
        about = f"{setting.about} Takes {setting.form.gives}." + (" Never shown." if setting.secret else "")
        lines.append(f"| `{setting.name}` | {_cell(default)} | {_cell(about)} | {'yes' if setting.go else ''} |")
    lines += [f"| `{old}` | | Old name of `{new}`. | yes |" for old, new in ALIASES.items()]
    lines += [f"| `{name}` | | Accepted and ignored: {_cell(why)}. | yes |" for name, why in IGNORED.items()]
    return "\n".join(lines) + "\n"


def show(settings: Settings) -> dict[str, str]:
    """Write each setting as its variable would hold it; secrets hidden, and "" for what is not set."""
    return show_values(msgspec.structs.asdict(settings))


def show_values(values: Values) -> dict[str, str]:
    """Write what was understood of settings that may be wrong, and mark those that are."""
    return {setting.name: _mark(setting, values) or _show(values[setting.field], setting) for setting in TABLE}


def _standing(setting: Setting) -> str:
    """Say what an unset variable comes to."""
    required = say_required(setting) if setting.required else ""
    default = f"default {setting.default}" if setting.default is not None else setting.default_note
    return ", ".join(part for part in (required, default) if part) or "not set"


def _mark(setting: Setting, values: Values) -> str:
    if setting.field not in values:
        return WRONG
    return MISSING if values[setting.field] is None and is_required(setting.required, values) else ""


def _show(value: object, setting: Setting) -> str:
    match value:
        case None:
            return ""
        case Secret():
            return redact(value) if setting.form is NATS_ADDRESSES else HIDDEN
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
    return setting.form.show(value)


def _cell(text: str) -> str:
    """Keep what has a meaning in Markdown from having it."""
    return text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")
