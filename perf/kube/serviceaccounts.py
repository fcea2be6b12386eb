"""ServiceAccounts that a measurement makes in a namespace of a real cluster, changes, and deletes again.

Rules kept here:
- The namespace is their own: one that holds others besides the usual `default` is refused before anything is made.
- One run at a time: a marker is made first and deleted last, and who meets that of another makes nothing.
- What is changed, deleted or given a token is what was made, or was met with all marks (`perf.kube.marks`) as the run
  began, by its uid: not what somebody has made under its name since, and not what has got the marks since.
- At the end, after an error or a signal too, all of them are deleted, unless they are to be kept; within bounds. What
  cannot be deleted keeps none of the others, is tried once more, and is said. A signal that comes meanwhile is heeded
  when that is done.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from callout.errors import CommandError
from perf.commandline.command import Progress
from perf.kube.api_server import AT_ONCE, Answer, ApiServer, for_all
from perf.kube.changing import Changed
from perf.kube.marks import MARKER, SELECTOR, USUAL, Found, name_of
from perf.kube.namespace import Namespace, NotMadeError
from perf.kube.place import Place

CLEAN_UP_S: Final = 180.0  # for the cleaning up, and
DELETE_S: Final = 0.02  # for each that is deleted; it takes a tenth of that
ATTEMPTS: Final = 2  # to delete each
MAX_FAILURES: Final = 2 * AT_ONCE  # deletions that fail one after the other: then it is not for single ones
SAID_ABOUT: Final = 1000  # after so many of them progress is shown


class OwnServiceAccounts:
    """Those of this run.

    Args:
        server: the API server.
        place: where they are to be.
        progress: is told of what takes long.
        uids: of those that are there already, in the order of their numbers.

    Attributes:
        may_be_there: whether there is something to clean up.
    """

    def __init__(self, server: ApiServer, place: Place, progress: Progress, uids: Sequence[str] = ()) -> None:
        self._namespace = Namespace(server, place)
        self._place = place
        self._progress = progress
        self._run = secrets.token_hex(16)
        self._marker = ""  # its uid, once it is made
        self._uids = dict(enumerate(uids))
        self._unanswered: set[str] = set()  # names of what may have been made
        self.may_be_there = False

    @property
    def uids(self) -> list[str]:
        """Their uids, in the order of their numbers, which are those from 0 on."""
        return [self._uids[position] for position in range(len(self._uids))]

    async def begin(self) -> None:
        """See that the namespace is free, keep others out, and take over what an earlier run has left.

        Raises:
            CommandError: it is not free, or there is none; nothing was made then, or it is to be cleaned up.
        """
        self._check(await self._namespace.list())
        self.may_be_there = True
        self._marker, _ = await self._make(MARKER)
        found = await self._namespace.list()
        self._check(found)
        self._uids = {one.position: one.uid for one in found if one.position is not None}

    async def settle(self, number: int) -> float | None:
        """Make those that are missing and delete those that are too many.

        Returns: when the API server had answered for the last one made (CLOCK_MONOTONIC); None if none was missing.
        """
        too_many = [position for position in self._uids if position >= number]
        await self._go_through("deleted", too_many, self._delete_one)
        missing = [position for position in range(number) if position not in self._uids]
        if not missing:
            return None
        *others, last = missing
        await self._go_through("made", others, self._make_one)
        return (await self._make_one(last)).answered_at

    async def mint(self, position: int) -> str:
        """Have a token made for one of them."""
        return await self._namespace.mint(name_of(position), self._uids[position])

    async def mint_all(self, number: int) -> list[str]:
        """Have a token made for each of the first ones."""
        tokens = [""] * number

        async def mint(position: int) -> None:
            tokens[position] = await self.mint(position)

        await for_all(range(number), mint)
        return tokens

    async def change(self, position: int, value: str) -> Changed:
        """Let one of them publish to one more subject."""
        return await self._namespace.change(name_of(position), self._uids[position], value)

    async def clean_up(self) -> None:
        """Delete what is ours, unless it is to be kept, and the marker.

        Raises:
            CommandError: some may be there still; why, and how many at most.
        """
        left = {} if self._place.keep else {name_of(position): uid for position, uid in self._uids.items()}
        unseen = {name: "" for name in self._unanswered if name == MARKER or not self._place.keep}
        marker = {MARKER: self._marker} if self._marker else {}
        problems: dict[str, None] = {}  # each once, in their order
        try:
            async with asyncio.timeout(CLEAN_UP_S + DELETE_S * len(left)):
                await self._delete_what_goes(left, problems)
                unseen = await self._delete_unanswered(unseen, problems)
                await self._delete_what_goes(marker, problems)
        except TimeoutError:
            problems["the API server takes too long over the cleaning up"] = None
        if number := len(left) + len(unseen) + len(marker):
            namespace = self._place.namespace
            raise CommandError(
                *problems,
                f"ServiceAccounts are left behind, {number:,} at most; see which, and delete them: kubectl get"
                f" serviceaccounts --namespace {namespace} --selector {SELECTOR}",
            )

    def _check(self, found: Iterable[Found]) -> None:
        """See that all of them are ours, and no other run is under way."""
        namespace = self._place.namespace
        for one in found:
            if one.name == MARKER and one.run and one.run != self._run:
                raise CommandError(
                    f"another run is under way in namespace {namespace}, or was killed there; if none is, let it be"
                    f" forgotten: kubectl delete serviceaccount {MARKER} --namespace {namespace}"
                )
            if not one.run and one.name != USUAL:
                raise CommandError(
                    f"the ServiceAccount {one.name} of namespace {namespace} is somebody else's: name a namespace that"
                    " holds no others"
                )

    async def _make_one(self, position: int) -> Answer:
        self._uids[position], answer = await self._make(name_of(position))
        return answer

    async def _make(self, name: str) -> tuple[str, Answer]:
        """Make one; return its uid and the whole answer."""
        self._unanswered.add(name)
        try:
            made = await self._namespace.make(name, self._run)
        except NotMadeError:
            self._unanswered.discard(name)
            raise
        self._unanswered.discard(name)
        return made

    async def _delete_one(self, position: int) -> None:
        await self._namespace.delete(name_of(position), self._uids[position])
        del self._uids[position]

    async def _delete_unanswered(self, names: dict[str, str], problems: dict[str, None]) -> dict[str, str]:
        """Look for what was made though its answer did not come: it has our names, and the stamp of this run.

        Returns: what may still be there, as `_delete_what_goes` leaves it.
        """
        if not names:
            return names
        try:
            found = await self._namespace.list()
        except CommandError as error:
            problems.update(dict.fromkeys(error.lines))
            return names
        left = {one.name: one.uid for one in found if one.run == self._run and one.name in names}
        await self._delete_what_goes(left, problems)
        return left

    async def _delete_what_goes(self, left: dict[str, str], problems: dict[str, None]) -> None:
        """Delete them; one that fails is tried once more when all others are done.

        Args:
            left: uids by names; those that could not be deleted stay in it.
            problems: is given the lines that say why.
        """
        failures = 0  # without one that was deleted between
        whole = len(left)

        async def delete(name: str) -> None:
            nonlocal failures
            if failures >= MAX_FAILURES:
                return
            try:
                await self._namespace.delete(name, left[name])
            except CommandError as error:
                failures += 1
                problems.update(dict.fromkeys(error.lines))
                return
            failures = 0
            del left[name]
            self._say_about("deleted", whole - len(left), whole)

        for _ in range(ATTEMPTS):
            await for_all(list(left), delete)

    async def _go_through(self, deed: str, positions: Sequence[int], do: Callable[[int], Awaitable[object]]) -> None:
        done = 0

        async def go(position: int) -> None:
            nonlocal done
            await do(position)
            done += 1
            self._say_about(deed, done, len(positions))

        await for_all(positions, go)

    def _say_about(self, deed: str, done: int, whole: int) -> None:
        if done % SAID_ABOUT == 0:
            self._progress.say(f"scale: {done:,} of {whole:,} ServiceAccounts {deed}")


@asynccontextmanager
async def own_serviceaccounts(place: Place, progress: Progress) -> AsyncIterator[OwnServiceAccounts]:
    """Give access to them inside the block; at its end they are deleted, unless they are to be kept.

    Raises:
        CommandError: the API server refuses something, or does not answer.
    """
    async with ApiServer(place.kubeconfig) as server:
        own = OwnServiceAccounts(server, place, progress)
        problems: tuple[str, ...] = ()
        try:
            await own.begin()
            yield own
        except CommandError as error:
            problems = error.lines
            raise
        finally:
            if own.may_be_there:
                progress.say("scale: deleting what was made")
                try:
                    await finish(own.clean_up())
                except CommandError as error:
                    raise CommandError(*dict.fromkeys((*problems, *error.lines))) from None  # both may say the same


async def finish(work: Coroutine[None, None, None]) -> None:
    """Do the work to its end, which has to be bounded; who cancels this meanwhile is heeded then.

    Raises:
        CommandError: what has gone wrong, whether this was cancelled or not.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
