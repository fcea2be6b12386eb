"""What a login may do: the defaults, what annotations add, and what nobody gets, however they are written."""

import asyncio
import json
from itertools import islice

import pytest
from hypothesis import strategies as st
from nats.aio.msg import Msg

from callout.policy.subjects import ANY, REST, is_valid
from callout.policy.verdict import MAX_SUBJECTS_PER_SIDE
from tests.interop.attempts import denied_publishes, denied_subscriptions
from tests.interop.cast import ALIKE, CAST, FOREIGNER, GREED, GREEDY, NEIGHBOUR, PARTNER, PLAIN, STREAMS, Account
from tests.interop.deployment import Deployment
from tests.interop.drawing import draw
from tests.waiting import PATIENCE_SECONDS, until

# Subjects that are valid and look as if they were not, or as if they meant something to a server.
STRANGE = (
    "strange.{{name()}}",
    "strange.{{tag(team)}}",
    "strange.$G",
    "strange.$1.{{wildcard(1)}}",
    'strange."quoted".\\back\\slash',
    "strange.<script&amp;",
    "strange.%s%n%00",
    "strange.\N{CJK UNIFIED IDEOGRAPH-4E2D}.\N{GRINNING FACE}.é.é",
    "strange.*.*.>",
    "strange.*",
    "strange.-1",
    "$KV.strange.>",
    "$O.strange.C.x",
    "$JS.ACK.strange.>",
    "$MQTT.strange",
    "$SRV.PING",
    "#/+",
    "strange." + "x" * 1016,
    "strange" + ".y" * 508,
)


async def test_the_defaults(deployment: Deployment) -> None:
    """The own namespace both ways, the private and the shared inbox to hear; others' not."""
    async with await deployment.connect(PLAIN) as client:
        assert [] == await denied_publishes(client, ["orders.x", "orders.x.y.z"])
        assert [] == await denied_subscriptions(client, ["orders.>", "orders.*", f"{PLAIN.inbox}.>", "_INBOX.>"])
        foreign = ["orders", "ordersx.y", "billing.x", "x", "_INBOX.x", f"{PLAIN.inbox}.x", "$SYS.REQ.USER.AUTH"]
        assert foreign == await denied_publishes(client, foreign)
        foreign = ["orders", "billing.>", ">", "*", "*.>", "*.*", "$SYS.>", "$JS.>", "_R_.>", "_GR_.>"]
        assert foreign == await denied_subscriptions(client, foreign)
        assert foreign == await denied_subscriptions(client, foreign, queue="some")


async def test_annotations_add_to_the_defaults(deployment: Deployment) -> None:
    """What they name is allowed on the side they name it for, and not on the other."""
    async with await deployment.connect(PARTNER) as client:
        assert [] == await denied_publishes(client, ["orders.requests.x", "audit.log", "billing.x"])
        assert [] == await denied_subscriptions(client, ["orders.events.x", "orders.events.*", "billing.x"])
        foreign = ["orders.events.x", "orders.requests", "audit.log.x", "orders.x"]
        assert foreign == await denied_publishes(client, foreign)
        foreign = ["orders.requests.x", "audit.log", "orders.events", "orders.events.x.y", "orders.>"]
        assert foreign == await denied_subscriptions(client, foreign)


async def test_what_annotations_may_not_ask_for_is_dropped_and_the_rest_counts(deployment: Deployment) -> None:
    """Each dropped entry is reported with its reason; the good one between them works."""
    for (side, reason), subjects in GREED.items():
        counted = deployment.service.metric("nats_auth_filtered_subjects_total", side=side, reason=reason)
        assert len(subjects) == counted, (side, reason)
        lines = deployment.service.log_lines("subject dropped from permissions", side=side, reason=reason)
        assert list(subjects) == [line["subject"] for line in lines]
    async with await deployment.connect(GREEDY) as client:
        assert [] == await denied_publishes(client, ["news.out"])
        assert [] == await denied_subscriptions(client, ["news.in"])
        wanted = ["x", "x.x", "$SYS.REQ.USER.AUTH", "$SYS.x.x", "_INBOX.x", f"{PLAIN.inbox}.x", "_R_.x", "_REPLY.x"]
        assert wanted == await denied_publishes(client, wanted)
        wanted = [*GREED["sub", "leading_wildcard"], *GREED["sub", "system_space"], *GREED["sub", "reply_space"]]
        assert wanted == await denied_subscriptions(client, wanted)


@pytest.mark.parametrize("thief", CAST, ids=lambda account: f"{account.namespace}/{account.name}")
async def test_nobody_reads_the_inbox_of_another(deployment: Deployment, thief: Account) -> None:
    """Whatever the annotations say and however alike the names are: it is the own inbox, or none."""
    inboxes = {account.inbox for account in CAST} - {thief.inbox}
    wanted = [f"{inbox}{rest}" for inbox in sorted(inboxes) for rest in (".>", ".*", ".x", ".*.>", "")]
    wanted += [">", "*.>", "*.x"]
    async with await deployment.connect(thief) as client:
        assert wanted == await denied_subscriptions(client, wanted)
        assert [] == await denied_subscriptions(client, [f"{thief.inbox}.>", f"{thief.inbox}.x"])


def test_names_that_are_alike_have_inboxes_that_are_not() -> None:
    """Else the test above would prove nothing."""
    assert len({account.inbox for account in CAST}) == len(CAST)
    assert len(ALIKE) == len([account for account in CAST if account.name.startswith("a")])


async def test_a_request_has_one_answer(deployment: Deployment) -> None:
    """Who is asked may answer to the private inbox of who asks, once; a second answer is denied."""
    denied: list[Exception] = []
    async with await deployment.connect(PLAIN) as server, await deployment.connect(PARTNER) as client:

        async def answer_twice(request: Msg) -> None:
            await request.respond(b"first")
            await request.respond(b"second")
            await server.flush()
            denied.extend(server.errors)

        await server.subscribe("orders.requests.x", cb=answer_twice)
        await server.flush()
        inbox = client.new_inbox()
        assert inbox.startswith(f"{PARTNER.inbox}.")
        answers = await client.subscribe(inbox)
        await client.publish("orders.requests.x", b"please", reply=inbox)
        assert b"first" == (await answers.next_msg(PATIENCE_SECONDS)).data
        await until(lambda: denied, PATIENCE_SECONDS, "the server's complaint about the second answer")
        assert [f'nats: permissions violation for publish to "{inbox.lower()}"'] == [str(error) for error in denied]
        await client.flush()
        assert 0 == answers.pending_msgs
        assert [] == client.errors


async def test_streams_are_not_made(deployment: Deployment) -> None:
    """A stream may read every subject, so an annotation for all of JetStream's interface does not cover that."""
    loot = json.dumps({"name": "loot", "subjects": [f"{PLAIN.inbox}.>", "billing.>"]}).encode()
    async with await deployment.connect(STREAMS) as client:
        deeds = ("CREATE", "UPDATE", "RESTORE", "TEMPLATE.CREATE")
        wanted = [f"$JS.{domain}API.STREAM.{deed}.loot" for domain in ("", "hub.") for deed in deeds]
        assert wanted == await denied_publishes(client, wanted)
        await client.publish("$JS.API.STREAM.CREATE.loot", loot, reply=client.new_inbox())
        await client.flush()
        assert 1 == len(client.errors)
        client.errors.clear()
        reply = json.loads((await client.request("$JS.API.STREAM.NAMES", b"", timeout=PATIENCE_SECONDS)).data)
        assert "loot" not in (reply["streams"] or [])
        assert [] == client.errors


def subjects() -> st.SearchStrategy[str]:
    """Valid subjects that an annotation may hold and the policy has no reason to drop."""
    words = st.text(st.characters(exclude_characters=f".,{ANY}{REST}", exclude_categories=("C", "Z")), min_size=1)
    tokens = st.lists(words | st.just(ANY), max_size=4)
    return st.builds(
        lambda middle, end: ".".join(["drawn", *middle, *end]), tokens, st.sampled_from([(), (REST,), ("x",)])
    ).filter(is_valid)


async def test_whatever_is_granted_the_server_grants(deployment: Deployment) -> None:
    """No subject that we take for valid makes the server refuse the login, and each one works."""
    listed = deployment.service.metric("nats_auth_snapshot_serviceaccounts")
    assert [True] * len(STRANGE) == [is_valid(subject) for subject in STRANGE]
    every = iter(dict.fromkeys((*STRANGE, *draw(subjects(), 400))))
    asked: dict[Account, list[str]] = {}
    while some := list(islice(every, MAX_SUBJECTS_PER_SIDE)):
        asked[Account("strange", f"sa-{len(asked)}", pub=tuple(some), sub=tuple(some))] = some
    for account in asked:
        deployment.cluster.put(account.namespace, account.name, pub=account.pub, sub=account.sub)
    await until(
        lambda: deployment.service.metric("nats_auth_snapshot_serviceaccounts") == listed + len(asked),
        PATIENCE_SECONDS,
        "the new ServiceAccounts are in the snapshot",
    )
    clients = await asyncio.gather(*map(deployment.connect, asked))
    for client, some in zip(clients, asked.values(), strict=True):
        assert [] == await denied_subscriptions(client, some)
        assert [] == await denied_publishes(client, [one for one in some if not {ANY, REST} & set(one.split("."))])
        await client.close()
    for account in asked:
        deployment.cluster.delete(account.namespace, account.name)


async def test_neighbours_share_their_namespace(deployment: Deployment) -> None:
    """What one publishes the other hears, and who is in another namespace does not."""
    async with (
        await deployment.connect(PLAIN) as client,
        await deployment.connect(NEIGHBOUR) as neighbour,
        await deployment.connect(FOREIGNER) as foreigner,
    ):
        assert ["orders.news"] == await denied_subscriptions(foreigner, ["orders.news"])
        news = await neighbour.subscribe("orders.news")
        await neighbour.flush()
        await client.publish("orders.news", b"hello")
        assert b"hello" == (await news.next_msg(PATIENCE_SECONDS)).data
