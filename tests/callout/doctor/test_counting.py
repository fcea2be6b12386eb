"""Reading the pages before and after a login: as soon as something was counted, and never for long."""

import asyncio

import pytest

from callout.doctor import counting
from callout.doctor.counting import Count, count, count_since
from callout.doctor.replicas import Page
from tests.callout.doctor.site import Site
from tests.waiting import PATIENCE_SECONDS, until


def page(number: int) -> bytes:
    """A page on which so many logins were allowed."""
    return f"nats_auth_requests_total {number}\n".encode()


def test_without_addresses_there_is_nothing_to_read() -> None:
    """Neither counters nor a problem with them."""
    assert Count() == asyncio.run(count(()))


def test_a_page_that_cannot_be_read_is_a_problem(site: Site) -> None:
    """It is handed on, before and after."""
    site.status = 404
    for found in (asyncio.run(count((site.url,))), asyncio.run(count_since({site.url: Page({})}, silent=False))):
        assert found.pages is None
        assert found.problem.startswith(f"{site.url} is no page of this service's metrics")


def test_a_counter_that_rises_is_waited_for(site: Site) -> None:
    """The pages as they are then are returned."""
    site.first, site.body = [page(1), page(1)], page(2)
    before = {site.url: Page({"allowed": 1.0})}
    assert {site.url: Page({"allowed": 2.0})} == asyncio.run(count_since(before, silent=False)).pages
    assert 3 == len(site.asked)


in_vain = pytest.mark.parametrize(("number", "silent"), [(1, False), (2, True)], ids=["no rise", "silence"])


@in_vain
def test_what_does_not_rise_is_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int, *, silent: bool
) -> None:
    """As long as there is time; after silence, so is what does."""
    monkeypatch.setattr(counting, "COUNT_SECONDS", 2 * PATIENCE_SECONDS)  # in earnest it is two seconds
    site.body = page(number)

    async def scenario() -> None:
        waiting = asyncio.create_task(count_since({site.url: Page({"allowed": 1.0})}, silent=silent))
        await until(lambda: 2 < len(site.asked), PATIENCE_SECONDS, "it is read again and again")
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(scenario())


@in_vain
def test_no_counter_is_waited_for_in_vain(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int, *, silent: bool
) -> None:
    """At the end of the wait the pages as they are then are returned."""
    monkeypatch.setattr(counting, "COUNT_SECONDS", 0.3)
    site.body = page(number)
    after = asyncio.run(count_since({site.url: Page({"allowed": 1.0})}, silent=silent))
    assert {site.url: Page({"allowed": float(number)})} == after.pages
