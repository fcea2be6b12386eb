"""Trying what may be denied: a client attempts it, and the server says no, or nothing."""

from collections.abc import Sequence

from tests.interop.clients import WorkloadClient


async def denied_subscriptions(client: WorkloadClient, subjects: Sequence[str], *, queue: str = "") -> list[str]:
    """Subscribe to each; returns those that the server refused."""
    subscriptions = [await client.subscribe(subject, queue=queue) for subject in subjects]
    denied = await _find_denied(client, subjects, "subscription")
    for subscription in subscriptions:
        await subscription.unsubscribe()
    return denied


async def denied_publishes(client: WorkloadClient, subjects: Sequence[str]) -> list[str]:
    """Publish to each; returns those that the server refused."""
    for subject in subjects:
        await client.publish(subject, b"")
    return await _find_denied(client, subjects, "publish")


async def _find_denied(client: WorkloadClient, subjects: Sequence[str], deed: str) -> list[str]:
    await client.flush()  # the server complains of a violation before it answers this
    complaints = [str(error) for error in client.errors]
    client.errors.clear()
    # nats-py gives the server's words in lower case.
    denied = [subject for subject in subjects if any(f'{deed} to "{subject.lower()}"' in line for line in complaints)]
    assert len(complaints) == len(denied), complaints
    return denied
