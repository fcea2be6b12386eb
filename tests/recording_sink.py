"""A sink that keeps what it was given, as `callout.serviceaccounts.Sink` says it should."""

from collections.abc import Sequence

from callout.serviceaccounts import Change, Removed, ServiceAccount


class RecordingSink:
    """Keeps the picture that a source draws, and the calls that drew it.

    Attributes:
        picture: uid and annotations by namespace and name.
        calls: `begin_list`, `apply`, `end_list` and `touch`, in order.
        batches: how many changes each `apply` brought.
        failures: errors to raise, one from each of the next calls of `apply`.
        steps_to_end: how many more calls of `end_list` are to leave something for the next one.
    """

    def __init__(self) -> None:
        self.picture: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}
        self.calls: list[str] = []
        self.batches: list[int] = []
        self.failures: list[Exception] = []
        self.steps_to_end = 0
        self._named: set[tuple[str, str]] | None = None

    def begin_list(self) -> None:
        """Remember from now on who is named."""
        self.calls.append("begin_list")
        self._named = set()

    def apply(self, changes: Sequence[Change]) -> None:
        """Take changes."""
        self.calls.append("apply")
        self.batches.append(len(changes))
        if self.failures:
            raise self.failures.pop(0)
        for change in changes:
            key = change.namespace, change.name
            match change:
                case ServiceAccount():
                    self.picture[key] = change.uid, change.annotations
                    if self._named is not None:
                        self._named.add(key)
                case Removed():
                    self.picture.pop(key, None)

    def end_list(self) -> bool:
        """Drop whoever was not named, after as many steps as are asked for."""
        self.calls.append("end_list")
        assert self._named is not None
        if self.steps_to_end:
            self.steps_to_end -= 1
            return True
        self.picture = {key: value for key, value in self.picture.items() if key in self._named}
        self._named = None
        return False

    def touch(self) -> None:
        """Hear that all is up to date."""
        self.calls.append("touch")
