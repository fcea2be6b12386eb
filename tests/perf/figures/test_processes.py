"""What processes cost, read where Linux keeps it."""

import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from callout.errors import CommandError
from perf.figures.processes import (
    BUSY,
    OTHERS,
    OURSELVES,
    WALL,
    Meter,
    find_shares,
    list_children,
    maybe_read_cpu,
    maybe_read_memories,
    maybe_read_memory,
    raise_file_limit,
    reckon,
)
from tests.nobody import run_as_nobody
from tests.waiting import PATIENCE_SECONDS
from workers.dumps import forbid_dumps

BURN = """
import sys, time
sys.stdin.readline()
end = time.process_time() + 0.2
while time.process_time() < end: pass
print("done", flush=True)
sys.stdin.read()
"""
NOBODY = 2**22 + 1  # more than Linux gives to any process


@contextmanager
def waiting() -> Iterator["subprocess.Popen[bytes]"]:
    """A child that is about to work for a moment when it is told to, and then stays until the end of the block."""
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        alarm = threading.Timer(PATIENCE_SECONDS, child.kill)
        alarm.start()
        try:
            yield child
        finally:
            alarm.cancel()
            child.kill()


def let_burn(child: "subprocess.Popen[bytes]") -> None:
    """Let it work now that somebody measures, and wait until it has."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"now\n")
    child.stdin.flush()
    assert b"done\n" == child.stdout.readline()


def test_a_child_is_known_and_its_cpu_is_counted() -> None:
    """In a group of its own, apart from ours."""
    with waiting() as child:
        meter = Meter({"child": [child.pid]})
        let_burn(child)
        spent = meter.read()
        assert child.pid in list_children(os.getpid())
        memory = maybe_read_memory(child.pid)
        assert memory is not None
        assert memory.own >= memory.private > 0
        assert maybe_read_memories([child.pid]) is not None
    assert {"child", OURSELVES, OTHERS, WALL} == set(spent)
    assert spent["child"] > 0.05


def test_what_is_gone_costs_nothing_that_is_known() -> None:
    """No error by itself: processes come and go."""
    assert (None, []) == (maybe_read_cpu(NOBODY), list_children(NOBODY))


def test_what_ends_while_it_is_measured_is_one_line() -> None:
    """It would have cost nothing, and what is started in its place is in no group; so too if it was gone before."""
    ended = "^a process of workers has ended while it was measured, so what it has cost is not known$"
    with waiting() as child:
        meter = Meter({"server": [os.getpid()], "workers": [os.getpid(), child.pid]})
        let_burn(child)
        assert meter.read()["workers"] > 0.05
        child.kill()
        child.wait()
        with pytest.raises(CommandError, match=ended):
            meter.read()
    with pytest.raises(CommandError, match=ended):
        Meter({"workers": [NOBODY]})


@pytest.mark.parametrize("pids", [[NOBODY], [os.getpid(), NOBODY], []])
def test_memory_of_what_is_gone_is_not_known(pids: list[int]) -> None:
    """Nothing at all would look splendid; a part of several is not their sum."""
    assert maybe_read_memory(NOBODY) is None
    assert maybe_read_memories(pids) is None


def look_into_a_child(_: list[str]) -> None:
    """Look into a process of the same user that may not be dumped, as the service's then; say what comes of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    forbid_dumps()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        maybe_read_memory(child)
    except CommandError as error:
        sys.stdout.writelines(error.lines)
    finally:
        os.close(write)
        os.waitpid(child, 0)


def test_memory_that_may_not_be_read_is_one_line() -> None:
    """Where core files are forbidden to a user, the service hides its memory from him; it is no 0 MiB."""
    done = run_as_nobody(__name__, look_into_a_child.__name__)
    assert (0, "") == (done.returncode, done.stderr)
    assert re.fullmatch(
        r"the memory of process \d+ may not be read: run as root, or raise the hard core limit \(ulimit -Hc\)",
        done.stdout,
    )


def test_what_no_group_has_taken_is_others() -> None:
    """Of several processes it is the sum; what they had taken before is no work of this moment."""
    before = {"workers": [100.0, 1.0], OURSELVES: [0.0], BUSY: [500.0]}
    now = {"workers": [100.25, 1.25], OURSELVES: [0.25], BUSY: [501.0]}
    assert {"workers": 0.5, OURSELVES: 0.25, OTHERS: 0.25, WALL: 2.0} == reckon(before, now, 2.0)


def test_others_never_take_more_than_there_is() -> None:
    """A tick that ends in a short time may have begun before it; hypervisors count by a clock of their own."""
    cores = os.cpu_count() or 1
    found = reckon({OURSELVES: [0.0], BUSY: [0.0]}, {OURSELVES: [0.1], BUSY: [9.0]}, 0.5)
    assert 0.5 * cores - 0.1 == found[OTHERS]
    assert 0.0 == reckon({OURSELVES: [0.0], BUSY: [0.0]}, {OURSELVES: [0.1], BUSY: [0.0]}, 0.5)[OTHERS]


def test_what_nobody_knows_is_others_work() -> None:
    """A child that is in no group."""
    with waiting() as child:
        meter = Meter({})
        let_burn(child)
        assert meter.read()[OTHERS] > 0.05


def test_our_own_work_is_the_generators() -> None:
    """Whatever this process does while it measures."""
    meter = Meter({})
    end = time.process_time() + 0.05
    while time.process_time() < end:  # it ends, since it works
        pass
    assert meter.read()[OURSELVES] > 0


def test_files_are_as_many_as_the_system_allows() -> None:
    """Thousands of connections need them; children inherit it."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == raise_file_limit()


def test_shares_are_of_the_whole_machine() -> None:
    """All of its cores for all of the time; of no time there is no share."""
    cores = os.cpu_count() or 1
    here = {"server": 1.0}
    found = find_shares({**here, "generator": 1.0 * cores, "others": 0.5 * cores, "wall": 2.0})
    assert {"generator_share": 0.5, "others_share": 0.25} == found
    assert {0.0} == set(find_shares({**here, "generator": 1.0, "others": 1.0, "wall": 0.0}).values())
