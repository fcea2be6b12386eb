"""What all tests share: tests that are coroutines, names of rows, and which tests run in one process."""

import asyncio
import inspect
import re
import signal

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]  # the plugin has no types
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # nor has this

SHARED = "shared"
"""How the id of a row begins that shares what its whole session has set up with others of the same id."""
IMAGE = "tests/image/"
"""Where the tests are that share what stands for the image; it takes a minute to make."""
TEST_SECONDS = 300
"""A coroutine that takes longer hangs; every wait inside has a shorter deadline of its own."""
MAX_ID_LENGTH = 60
_SETTING = re.compile(rf"(?P<shared>{SHARED}-)?(?:server|operator-[a-z-]+)-(?:plain|xkey)-\d+\.\d+")
_KEY = re.compile(r"[A-Za-z2-7]{40}")


def pytest_configure() -> None:
    """Heed signals that were ignored before us, in what the tests start as well: some are about what these do.

    A shell that is no terminal's ignores SIGINT for what it starts in the background, and `nohup` SIGHUP.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:  # noqa: ARG001
    """Name a row of a table without the keys in it: each run makes others, and several processes have to agree."""
    if isinstance(val, bytes):
        val = val.decode("ascii", "replace")
    if isinstance(val, str) and (len(val) > MAX_ID_LENGTH or _KEY.search(val)):
        return f"{argname}…"
    return None


def find_group(nodeid: str) -> str:
    """What has to run in one process, for a test's id: who shares a server or the image; all others by themselves."""
    module, _, test = nodeid.partition("::")
    if module.startswith(IMAGE):
        return IMAGE
    setting = _SETTING.search(test)
    if setting is None:
        return nodeid
    return setting[0] if setting["shared"] else f"{module} {setting[0]}"


class SettingScheduling(LoadScopeScheduling):  # type: ignore[misc]  # a class without types
    """For `pytest -n … --dist loadgroup`: groups as `find_group` has them.

    The plugin's own go by a mark that pytest 9.2 does not let it attach to a test's id any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return find_group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SettingScheduling | None:
    """Group as above, if groups are asked for."""
    return SettingScheduling(config, log) if config.getoption("dist") == "loadgroup" else None
