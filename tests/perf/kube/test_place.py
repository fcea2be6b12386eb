"""Where ServiceAccounts are made, as the arguments say it: all of it is looked at before anything is made."""

import argparse
import asyncio
from pathlib import Path

import msgspec
import pytest

from callout.errors import CommandError
from perf import scale
from perf.commandline.command import Progress
from perf.generator.target import Target
from perf.kube.place import Place, add_arguments, find_place
from tests.nobody import make_closed, run_as_nobody
from tests.perf.hostile import Reply, make_place, serve, write_kubeconfig

SEED = "SAAGZ3AZQZLTZ4UWRK4SJTPOFQTMVZYG4C3LWXTLMTMPLQMJHFGIDEZ5AI"
TARGET = Target(addresses={}, login=None, callout_account="", xkey="", sentinel="", tokens=[], find_processes=dict)


def find(*arguments: str) -> Place:
    """Read arguments beside those that say what is deployed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nats-url")
    add_arguments(parser)
    place = find_place(parser.parse_args(["--nats-url=nats://a", "--namespace=perf", *arguments]))
    assert place is not None
    return place


def say_find(arguments: list[str]) -> int:
    """Read arguments, and print what is wrong with them."""
    with pytest.raises(ValueError, match=r"^--") as no:
        find(*arguments)
    print(no.value)  # noqa: T201  # the output is what the test looks at
    return 0


def test_the_pages_are_several(tmp_path: Path) -> None:
    """One a replica; a host may be an address of any kind, and need not say its port."""
    urls = ("http://a:8080/metrics", "https://[::1]:8080/metrics", "http://10.0.0.1/metrics")
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    assert urls == find(f"--kubeconfig={kubeconfig}", f"--metrics-url={','.join(urls)}").metrics_urls


@pytest.mark.parametrize(
    "url",
    [
        "http://a b/metrics",
        "http://a%zz/metrics",
        "http://a:0/metrics",
        "http://a:99999/metrics",
        "http:///metrics",
        "http://me:secret@a/metrics",
        "http://me@a/metrics",
        "http://a/\x1b[2J",
        "ftp://a/metrics",
        "a:8080/metrics",
        "",
    ],
)
def test_what_is_no_address_of_a_page_is_refused(url: str, tmp_path: Path) -> None:
    """As whoever reads the page would take it apart; nothing of it is repeated."""
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"^--metrics-url has to be of the form http://host:port/metrics$"):
        find(f"--kubeconfig={kubeconfig}", f"--metrics-url={url}")


def test_a_page_that_cannot_be_read_ends_it_before_anything_is_made(tmp_path: Path) -> None:
    """And before the API server is asked for anything."""
    options = argparse.Namespace(serviceaccounts=[1], churn=1)
    with serve(lambda _: Reply()) as found:
        place = make_place(write_kubeconfig(tmp_path, found.url))
        options.place = msgspec.structs.replace(place, metrics_urls=("http://127.0.0.1:1/metrics",))
        with pytest.raises(CommandError, match=r"^http://127\.0\.0\.1:1/metrics cannot be read: "):
            asyncio.run(scale.measure_target(TARGET, options, Progress(silent=True)))
    assert [] == found.requests


def test_a_secret_in_the_place_of_a_path_is_not_repeated() -> None:
    """Somebody gives what stands in the file, and not its name."""
    with pytest.raises(ValueError, match=r"^--kubeconfig has to name a file that exists, and the value \(hidden") as no:
        find(f"--kubeconfig={SEED}")
    assert SEED not in str(no.value)
    with pytest.raises(ValueError, match=r"^--kubeconfig has to name a file that exists, and '/no/such' does not$"):
        find("--kubeconfig=/no/such")


def test_a_kubeconfig_that_this_user_may_not_see_is_one_line(tmp_path: Path) -> None:
    """Whether it is there nobody can tell; and a path that is too long for any file is none."""
    done = run_as_nobody("tests.perf.kube.test_place", "say_find", f"--kubeconfig={make_closed(tmp_path)}")
    assert (0, "") == (done.returncode, done.stderr)
    assert "--kubeconfig names a file that cannot be read: permission denied\n" == done.stdout
    with pytest.raises(ValueError, match=r"^--kubeconfig names a file that cannot be read: file name too long$"):
        find(f"--kubeconfig={'a' * 300}")
