"""NACK's streams and the callout's clients, in each of the three layouts that join them: what works, and what cannot.

NACK itself cannot be had here: a stand-in reads its objects from the real API and makes what they declare.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment
from tests.e2e.nack import StandIn, install_crds
from tests.e2e.workloads import Workload, make_callout_with_rights, make_kubeconfig, unique
from tests.waiting import PATIENCE_SECONDS, until_sync

LAYOUTS = ("inside", "service", "import")
STREAM = {"name": "events", "subjects": ["events.>"], "storage": "file", "replicas": 1, "maxAge": "24h"}
CONSUMER = {
    "streamName": "events",
    "durableName": "processor",
    "deliverPolicy": "all",
    "ackPolicy": "explicit",
    "ackWait": "30s",
    "maxDeliver": 5,
}
BUCKET = {"bucket": "settings", "history": 5}
OBJECTS = (("Stream", "events", STREAM), ("Consumer", "events-processor", CONSUMER), ("KeyValue", "settings", BUCKET))
PUBLISHING = ("events.test",)
FETCHING = (
    "$JS.API.CONSUMER.INFO.events.processor",  # the nats CLI and the newer clients ask first whether it is there
    "$JS.API.CONSUMER.MSG.NEXT.events.processor",
    "$JS.ACK.events.processor.>",  # by itself covered by the response permission, unless NATS_RESPONSE_MAX=0
)
KEEPING = (
    "$JS.API.STREAM.INFO.KV_settings",
    "$KV.settings.>",  # put and delete
    "$JS.API.DIRECT.GET.KV_settings.>",  # get, where the bucket allows it
    "$JS.API.STREAM.MSG.GET.KV_settings",  # get, where it does not
    "$JS.API.CONSUMER.CREATE.KV_settings.>",  # watch, list, history; and clean up after them
    "$JS.API.CONSUMER.DELETE.KV_settings.>",
)


class Joined(msgspec.Struct, frozen=True):
    """A deployment in which NACK has made what it was told to.

    Attributes:
        layout: of `callout bootstrap --nack`.
        deployment: its nats-server, beside which the service runs.
        cluster: whose API the service and NACK read.
        namespace: of the clients and of the objects.
    """

    layout: str
    deployment: Deployment
    cluster: Cluster
    namespace: str

    def client(self, *pub: str) -> str:
        """The token of a new ServiceAccount with these subjects in its annotation."""
        workload = Workload(self.cluster, self.namespace, unique("client"))
        if pub:
            workload.annotate(pub=", ".join(pub))
        token = workload.token()
        self.deployment.nats.until_let_in(token)
        return token

    def ask(self, *words: str) -> Any:
        """What NATS says, asked with NACK's credentials."""
        return self.deployment.nats.read(self.deployment.creds("nack"), *words)

    def count(self) -> int:
        """How many messages the stream holds."""
        messages: int = self.ask("stream", "info", "events")["state"]["messages"]
        return messages

    def until_counted(self, messages: int) -> None:
        """Wait until the stream holds so many messages."""
        until_sync(lambda: self.count() == messages, PATIENCE_SECONDS, f"the stream holds {messages} messages")


@pytest.fixture(scope="module", params=LAYOUTS)
def joined(
    request: pytest.FixtureRequest, cluster: Cluster, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Joined]:
    """Each layout in turn, with stream, consumer and bucket made."""
    install_crds(cluster)
    folder, namespace = tmp_path_factory.mktemp(request.param), unique("orders")
    cluster.kubectl("create", "namespace", namespace)
    with contextlib.ExitStack() as running:
        deployment = running.enter_context(Deployment(tools, folder, "--nack", request.param))
        variables = make_kubeconfig(cluster, make_callout_with_rights(cluster))
        running.enter_context(deployment.serve(variables))
        nack = deployment.creds("nack")
        running.enter_context(StandIn(cluster, tools, folder, deployment.url, nack))
        for kind, name, spec in OBJECTS:
            metadata = {"namespace": namespace, "name": name}
            cluster.kubectl.apply(
                {"apiVersion": "jetstream.nats.io/v1beta2", "kind": kind, "metadata": metadata, "spec": spec}
            )
        running.callback(_delete_objects, cluster, namespace)
        for words in (("consumer", "info", "events", "processor"), ("stream", "info", "KV_settings")):
            _until_made(deployment, *words)
        yield Joined(request.param, deployment, cluster, namespace)


def _delete_objects(cluster: Cluster, namespace: str) -> None:
    """Leave nothing that the next stand-in would make."""
    cluster.kubectl("delete", "streams,consumers,keyvalues", "--all", "--namespace", namespace)


def _until_made(deployment: Deployment, *words: str) -> None:
    """Wait until NACK's part is done."""
    creds = deployment.creds("nack")
    until_sync(
        lambda: deployment.nats.attempt(creds, *words).returncode == 0, PATIENCE_SECONDS, f"nats {' '.join(words)}"
    )


def test_what_a_client_publishes_is_counted(joined: Joined) -> None:
    """The count of the stream goes up by one with each message, and nobody publishes there without an annotation."""
    before = joined.count()
    joined.deployment.nats(joined.client(*PUBLISHING), "pub", "events.test", "hello from a client")
    joined.until_counted(before + 1)
    refused = joined.deployment.nats.attempt(joined.client(), "pub", "events.test", "hello from a stranger")
    assert "Permissions Violation" in refused.stderr
    assert before + 1 == joined.count()


def test_what_is_stored_is_acknowledged_where_there_is_a_way_back(joined: Joined) -> None:
    """JetStream's own word for it arrives, but over an import: there it is stored and the client waits in vain."""
    before, client = joined.count(), joined.client(*PUBLISHING)
    done = joined.deployment.nats.attempt(client, "--timeout", "2s", "pub", "--jetstream", "events.test", "hello")
    if joined.layout == "import":
        assert (1, True) == (done.returncode, "nats: timeout" in done.stderr), done.stderr
    else:
        assert (0, True) == (done.returncode, "Stored in Stream: events" in done.stderr), done.stderr
    joined.until_counted(before + 1)


def test_a_client_fetches_and_acknowledges_where_there_is_a_way_back(joined: Joined) -> None:
    """From the consumer that NACK made, which hears of it; over an import clients have no JetStream at all."""
    client = joined.client(*PUBLISHING, *FETCHING)
    before = joined.count()
    joined.deployment.nats(client, "pub", "events.test", "for the processor")
    joined.until_counted(before + 1)
    done = joined.deployment.nats.attempt(client, "consumer", "next", "events", "processor")
    if joined.layout == "import":
        assert (1, True) == (done.returncode, "JetStream not enabled for account" in done.stderr), done.stderr
        return
    assert (0, True) == (done.returncode, "Acknowledged message" in done.stdout), done.stderr

    def acknowledged() -> bool:
        said = joined.ask("consumer", "info", "events", "processor")
        return bool(said["num_ack_pending"] == 0 and said["ack_floor"]["stream_seq"])

    until_sync(acknowledged, PATIENCE_SECONDS, "the consumer knows that the message was taken")


def test_a_client_keeps_values_in_the_same_account_alone(joined: Joined) -> None:
    """A bucket is a stream with subjects of its own, which neither a service nor an import carries."""
    nats, client = joined.deployment.nats, joined.client(*KEEPING)
    if joined.layout != "inside":
        refused = nats.attempt(client, "kv", "put", "settings", "colour", "blue")
        assert (1, True) == (refused.returncode, "JetStream not enabled for account" in refused.stderr), refused.stderr
        return
    nats(client, "kv", "put", "settings", "colour", "blue")
    assert "blue" == nats(client, "kv", "get", "settings", "colour", "--raw").strip()
    assert ["colour"] == nats(client, "kv", "ls", "settings").split()
    nats(client, "kv", "del", "settings", "colour", "--force")
    assert "key not found" in nats.attempt(client, "kv", "get", "settings", "colour", "--raw").stderr
