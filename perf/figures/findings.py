"""What a measurement says: JSON. Pure: a name for its type, and those of its members that all scripts share."""

from typing import Any, Final

Report = dict[str, Any]

BEGAN: Final = "began_at"  # when a script began, in UTC (RFC 3339)
MACHINE: Final = "machine"  # what it was measured on
COMMANDS: Final = "commands"  # each by itself measures a part of it again
COMMIT: Final = "commit"  # of what was measured; empty where nobody could tell
