"""The harness that runs the product, tried on small programs that behave as it does, or worse."""

import asyncio
import sys
import textwrap
from pathlib import Path

import pytest

from tests.service import Service
from tests.waiting import until_sync

LONG_SECONDS = 30

SERVING = """
    import http.server, json, os, signal, sys, threading

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/metrics" else 503)
            self.end_headers()
            self.wfile.write(b'requests_total{result="allowed"} 2.0\\nrequests_total{result="denied"} 3.0\\n')
        def log_message(self, *_): pass

    server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say = lambda **line: print(json.dumps(line), file=sys.stderr, flush=True)
    say(event="http listening", port=server.server_port)
    say(event="ready", workers=2)
    print("not JSON", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: (say(event="stopped"), os._exit(7)))
    signal.pause()
"""


def program(source: str) -> tuple[str, ...]:
    """A command that runs the given Python."""
    return (sys.executable, "-c", textwrap.dedent(source))


def test_log_pages_and_exit_code_are_seen() -> None:
    """What the product says on its log, on its pages and at its end arrives in the test."""

    async def scenario(service: Service) -> int:
        await service.ready()
        assert 5.0 == service.metric("requests_total")
        assert 3.0 == service.metric("requests_total", result="denied")
        assert 0.0 == service.metric("unheard_of_total")
        assert 503 == service.get("/readyz")[0]
        return await service.stop()

    with Service({}, command=program(SERVING)) as service:
        assert 7 == asyncio.run(scenario(service))
    assert ["http listening", "ready", "stopped"] == [line["event"] for line in service.log_lines()]
    assert [{"event": "ready", "workers": 2}] == service.log_lines("ready", workers=2)
    assert [] == service.log_lines("ready", workers=3)
    assert ["not JSON"] == service.plain_lines


def test_an_end_before_ready_is_a_failure_at_once() -> None:
    """The failure shows what the product printed, so that no one has to run it again to see."""
    command = program("import sys; sys.exit('PORT: what is wrong with it')")
    with (
        Service({}, command=command) as service,
        pytest.raises(AssertionError, match="ended with 1: PORT: what is wrong"),
    ):
        asyncio.run(service.ready())


def test_nothing_outlives_the_block() -> None:
    """Neither a program that ignores SIGTERM nor its child is left behind."""
    stubborn = """
        import json, signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        command = [sys.executable, "-c", "import signal; signal.pause()", "workers", ""]
        child = subprocess.Popen(command, start_new_session=True)
        print(json.dumps({"event": "ready"}), flush=True)
        signal.pause()
    """

    async def scenario(service: Service) -> list[int]:
        await service.ready()
        with pytest.raises(AssertionError, match="still waiting"):
            await service.stop(limit_s=0.2)
        return service.worker_pids()

    with Service({}, command=program(stubborn)) as service:
        pids = asyncio.run(scenario(service))
        assert 1 == len(pids)
    until_sync(lambda: not _is_running(pids[0]), LONG_SECONDS, "the child is gone")
    assert -9 == service.exit_code


def test_the_variables_are_those_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own environment stays outside, and named arguments win."""
    monkeypatch.setenv("NATS_URL", "nats://elsewhere")
    command = program("import json, os; print(json.dumps(dict(os.environ)))")
    with Service({"A": "1", "B": "1"}, issuer="https://issuer", command=command, B="2") as service:
        asyncio.run(service.ended())
    seen = {name: value for name, value in service.lines[0].items() if name not in {"PATH", "LC_CTYPE"}}
    assert {"PORT": "0", "A": "1", "B": "2", "JWT_ISSUER": "https://issuer"} == seen


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
