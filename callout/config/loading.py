"""From the environment to the settings, and from the table of settings to its two forms of help.

Rules kept here:
- The environment is all there is. A name of the Go service that has a meaning here keeps its name and its meaning;
  one that has none is accepted with a warning.
- An empty value is as good as none (as in the Go service). A wrong one stops the start, unlike there: a service that
  decides who may log in does not guess. All that is wrong is said at once, one line each.
- Nothing is opened here but what tells the number of CPUs; the files are looked at by `callout.config.file_checks`.
- No message shows a secret, nor a value that looks like one (`callout.secret`).
"""

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from callout.config.combinations import check_together, is_required, warn_of_names, warn_of_values
from callout.config.cpus import usable_cpus
from callout.config.nats_url import NATS_ADDRESSES, redact
from callout.config.table import ALIASES, IGNORED, MAX_WORKERS, TABLE, Setting, Settings
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.secret import HIDDEN, Secret, looks_secret, quote

__all__ = ["ConfigError", "Setting", "Settings", "describe", "load", "markdown_table", "show"]

HELP_WIDTH = 100  # columns of the plain-text help


class ConfigError(CommandError):
    """The settings are wrong; `lines` holds a line for each thing that is."""

    def __init__(self, *lines: str, warnings: tuple[str, ...] = ()) -> None:
        super().__init__(*lines, exit_code=EXIT_WRONG_USAGE, warnings=warnings)


_NAMES = frozenset(setting.name for setting in TABLE)


def load(environ: Mapping[str, str], count_cpus: Callable[[], int] = usable_cpus) -> tuple[Settings, list[str]]:
    """Make the settings of an environment; the list holds warnings, a line each.

    Raises:
        ConfigError: something is missing or wrong.
    """
    texts = {name: text.strip() for name, text in environ.items() if text.strip()}
    warnings = warn_of_names(texts, _NAMES, ALIASES, IGNORED)
    for old, new in ALIASES.items():
        if old in texts:
            texts.setdefault(new, texts[old])
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in TABLE:
        text = texts.get(setting.name, setting.default)
        try:
            values[setting.field] = None if text is None else _parse(setting, text)
        except ValueError as error:
            problems.append(str(error))
    problems += [
        f"{setting.name}: is {_say_required(setting)}, but not set; give {setting.form.gives}"
        for setting in TABLE
        if setting.name not in texts and is_required(setting.required, values)
    ]
    problems += check_together(values)
    if problems:
        raise ConfigError(*problems, warnings=tuple(warnings))
    values["nats_workers"] = values["nats_workers"] or min(count_cpus(), MAX_WORKERS)
    values["jwt_issuer"] = values["jwt_issuer"] or ()
    return Settings(**values), warnings + warn_of_values(values, environ)


def describe() -> str:
    """Write the help: every setting with its default and what it does, in plain text."""
    paragraphs = []
    for setting in TABLE:
        title = f"{setting.name} ({_standing(setting)})" + (" [secret]" if setting.secret else "")
        body = f"{setting.about} Give {setting.form.gives}."
        paragraphs.append(
            title + "\n" + textwrap.fill(body, HELP_WIDTH, initial_indent="    ", subsequent_indent="    ")
        )
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
    return {setting.name: _show(getattr(settings, setting.field), setting) for setting in TABLE}


def _parse(setting: Setting, text: str) -> Any:
    """Parse one value; the message of the `ValueError` is a whole line."""
    wrong = "does not belong there"
    if setting.secret or not looks_secret(text):
        try:
            return setting.form.parse(text)
        except ValueError as error:
            wrong = str(error) or "is not right"
    subject = "the value" if setting.secret else quote(text)
    raise ValueError(f"{setting.name}: {subject} {wrong}; give {setting.form.gives}")


def _say_required(setting: Setting) -> str:
    return "required" if setting.required == "always" else f"required {setting.required}"


def _standing(setting: Setting) -> str:
    """Say what an unset variable comes to."""
    required = _say_required(setting) if setting.required else ""
    default = f"default {setting.default}" if setting.default is not None else setting.default_note
    return ", ".join(part for part in (required, default) if part) or "not set"


def _show(value: object, setting: Setting) -> str:
    match value:
        case None:
            return ""
        case Secret():
            return redact(value) if setting.form is NATS_ADDRESSES else HIDDEN
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(value)
    return str(value)


def _cell(text: str) -> str:
    """Keep what has a meaning in Markdown from having it."""
    return text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")
