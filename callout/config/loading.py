"""From the environment to the settings, by the table of settings.

Rules kept here:
- The environment is all there is. A name of the Go service that has a meaning here keeps its name and its meaning;
  one that has none is accepted with a warning.
- An empty value is as good as none (as in the Go service). A wrong one stops the start, unlike there: a service that
  decides who may log in does not guess. All that is wrong is said at once, one line each.
- Nothing is opened here but what tells the number of CPUs; the files are looked at by `callout.config.file_checks`.
- No message shows a secret, nor a value that looks like one (`callout.secret`).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from callout.config.combinations import Values, check_together, is_required, warn_of_names, warn_of_values
from callout.config.cpus import usable_cpus
from callout.config.table import ALIASES, IGNORED, MAX_WORKERS, TABLE, Setting, Settings, say_required
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.secret import looks_secret, quote


class ConfigError(CommandError):
    """The settings are wrong; `lines` holds a line for each thing that is.

    Attributes:
        values: what was understood of them, if not all was; by their names in `Settings`.
    """

    def __init__(self, *lines: str, warnings: tuple[str, ...] = (), values: Values | None = None) -> None:
        super().__init__(*lines, exit_code=EXIT_WRONG_USAGE, warnings=warnings)
        self.values = values or {}


_NAMES = frozenset(setting.name for setting in TABLE)


def load(
    environ: Mapping[str, str], count_cpus: Callable[[], int] = usable_cpus, used: Collection[str] = _NAMES
) -> tuple[Settings, list[str]]:
    """Make the settings of an environment; the list holds warnings, a line each.

    Args:
        environ: the variables.
        count_cpus: tells how many CPUs may be used.
        used: the variables that the caller makes use of, all by default. Each other one counts as not set, and need
            not be; what is required and not used is None, or empty.

    Raises:
        ConfigError: something is missing or wrong.
    """
    texts = {name: text.strip() for name, text in environ.items() if text.strip()}
    warnings = warn_of_names(texts, _NAMES, ALIASES, IGNORED)
    for old, new in ALIASES.items():
        if old in texts:
            texts.setdefault(new, texts[old])
    texts = {name: text for name, text in texts.items() if name in used}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in TABLE:
        text = texts.get(setting.name, setting.default)
        try:
            values[setting.field] = None if text is None else _parse(setting, text)
        except ValueError as error:
            problems.append(str(error))
    missing = [
        f"{setting.name}: is {say_required(setting)}, but not set; give {setting.form.gives}"
        + (f", as '{setting.source}' tells" if setting.source else "")
        for setting in TABLE
        if setting.name not in texts and is_required(setting.required, values)
    ]
    problems += [line for line in (*missing, *check_together(values)) if line.partition(":")[0] in used]
    if problems:
        raise ConfigError(*problems, warnings=tuple(warnings), values=values)
    values["nats_workers"] = values["nats_workers"] or min(count_cpus(), MAX_WORKERS)
    values["jwt_issuer"] = values["jwt_issuer"] or ()
    values["nats_account"] = values["nats_account"] or ""
    warnings += [line for line in warn_of_values(values, environ) if line.partition(":")[0] in used]
    return Settings(**values), warnings


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
