"""Requests that are overheard."""

from callout.doctor.requests import read_request
from tests.minting import CurveKey, NatsKey, PretendServer
from workers.authorize import ID_LENGTH
from workers.nkeys import decode_seed
from workers.xkeys import SealingKey

ISSUER = NatsKey.generate("account").public
SERVER, CURVE = PretendServer(NatsKey.generate("server"), CurveKey.generate()), CurveKey.generate()


def test_our_own_request() -> None:
    """It tells the issuer and the server's time."""
    request = PretendServer(NatsKey.generate("server")).request(ISSUER, now=100, token="junk")
    asked = read_request(request.payload, "", None, "junk", 101.0)
    assert (True, True, False, ISSUER, 100) == (asked.ours, asked.readable, asked.sealed, asked.issuer, asked.issued_at)
    assert 2 == asked.lives


def test_the_id_of_our_own_request() -> None:
    """It is the one in the service's log; what is no key is none, since it becomes part of a command."""
    client = NatsKey.generate("user").public
    for key, expected in ((client, client[:ID_LENGTH]), ("U; id", "")):
        request = PretendServer(NatsKey.generate("server")).request(ISSUER, now=100, token="junk", user=key)
        assert expected == read_request(request.payload, "", None, "junk", 101.0).request_id


def test_of_anothers_request_nothing_is_kept() -> None:
    """Neither issuer nor time: only that it could be read."""
    request = PretendServer(NatsKey.generate("server")).request(ISSUER, now=100, token="another's")
    asked = read_request(request.payload, "", None, "junk", 101.0)
    assert (False, True, "", "") == (asked.ours, asked.readable, asked.issuer, asked.request_id)


def test_a_sealed_request() -> None:
    """It can be read with the key that it is sealed for, and with no other."""
    request = SERVER.request(ISSUER, now=100, token="junk", callout_curve=CURVE.public)
    assert SERVER.curve is not None
    sender = SERVER.curve.public
    for key, readable in ((CURVE.seed, True), (CurveKey.generate().seed, False)):
        asked = read_request(request.payload, sender, SealingKey(decode_seed(key)), "junk", 101.0)
        assert (True, readable, readable) == (asked.sealed, asked.readable, asked.ours)
    assert not read_request(request.payload, sender, None, "junk", 101.0).readable


def test_garbage() -> None:
    """It cannot be read, and that is all."""
    for payload in (b"", b"x", b"a.b.c", b"xkv1"):
        assert not read_request(payload, "", None, "junk", 1.0).readable
