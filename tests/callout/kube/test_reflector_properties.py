"""Tests of `callout.kube.reflector`, on any cluster and any input: the picture comes right, and nothing raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from callout.kube.reflector import BACK_OFF_MAX_S, Limits, ListPage, Reflector
from tests.callout.kube.answers import added, page
from tests.fake_cluster import FakeCluster, GoneError, error_line
from tests.recording_sink import RecordingSink

PREFIX = "nats.io/"
DRAWS = st.floats(0, 1, exclude_max=True)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdef"), st.sampled_from(["", "x.>", "y"])),
        st.tuples(st.just("delete"), st.sampled_from("abcdef"), st.just("")),
        st.tuples(
            st.sampled_from(
                ["step", "step", "step", "bookmark", "compact", "expire", "cut", "end", "refuse", "garbage", "too much"]
            ),
            st.just(""),
            st.just(""),
        ),
    ),
    max_size=60,
)


class Loop:
    """The shell's part of the reflector, without the waiting: carries requests out on a pretend cluster."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.sink = RecordingSink()
        self.reflector = Reflector(PREFIX, Limits(page_objects=2))

    def carry_out(self, fault: str = "step") -> None:
        """Send the next request, which meets a fault or not."""
        request = self.reflector.next_request(0.0)
        if fault in {"refuse", "cut"} and isinstance(request, ListPage):
            self.reflector.receive_failure(503 if fault == "refuse" else None)
        elif fault == "too much":
            self.reflector.receive_too_much()
        elif isinstance(request, ListPage):
            self.take_page(request.query, garbage=fault == "garbage")
        else:
            self.take_stream(request.query["resourceVersion"], fault)

    def take_page(self, query: dict[str, str], *, garbage: bool) -> None:
        """Ask for one page."""
        try:
            body = self.cluster.page("", query)
        except GoneError:
            self.reflector.receive_failure(410)
            return
        found = self.reflector.receive_page(body[:-1] if garbage else body)
        if found.problem:
            return
        if found.first:
            self.sink.begin_list()
        self.sink.apply(found.changes)
        if found.last:
            self.sink.end_list()

    def take_stream(self, version: str, fault: str) -> None:
        """Open a watch, read what there is, and let it end."""
        try:
            lines = [line for _, line in self.cluster.lines_since(version)]
        except GoneError:
            lines = [error_line(410)]
        if fault == "garbage":
            lines[len(lines) // 2 :] = [b"\x00"]
        elif fault != "step":  # some lines come, then the connection breaks, or ends, or is refused for something else
            lines = lines[: len(lines) // 2]
        batch = self.reflector.receive_lines(lines)
        self.sink.apply(batch.changes)
        if not batch.problem:
            if fault in {"step", "end"}:
                self.reflector.receive_end(0.0 if fault == "end" else 60.0)
            else:
                self.reflector.receive_failure(500 if fault == "refuse" else None)

    def act(self, action: str, name: str, value: str) -> None:
        """Change the cluster, or carry a request out."""
        match action:
            case "put":
                self.cluster.put("ns", name, {"nats.io/x": value, "other": value} if value else None)
            case "delete":
                if ("ns", name) in self.cluster.picture():
                    self.cluster.delete("ns", name)
            case "bookmark":
                self.cluster.bookmark()
            case "compact":
                self.cluster.compact()
            case "expire":
                self.cluster.expire_lists()
            case fault:
                self.carry_out(fault)


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_the_picture_comes_to_equal_the_cluster(actions: list[tuple[str, str, str]]) -> None:
    """Whatever was changed, cut, forgotten, refused or garbled on the way: in the end the sink sees what there is."""
    loop = Loop()
    for action in actions:
        loop.act(*action)
    for _ in range(30):  # six objects are at most six pages; a 410 or two may come before them
        loop.carry_out()
    expected = {
        key: (uid, {name: value for name, value in annotations.items() if name.startswith(PREFIX)})
        for key, (uid, annotations) in loop.cluster.picture().items()
    }
    assert expected == loop.sink.picture


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([added("a"), error_line(410), page("a")]), max_size=10), DRAWS)
def test_no_input_raises(inputs: list[bytes], draw: float) -> None:
    """Whatever arrives, the next request is a well-formed one."""
    reflector = Reflector(PREFIX)
    for data in inputs:
        if isinstance(reflector.next_request(draw), ListPage):
            reflector.receive_page(data)
        else:
            reflector.receive_lines([data])
        assert 0 <= reflector.pause(draw) <= BACK_OFF_MAX_S
