"""What is said on the sockets, and cutting a stream into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import messages
from controller.formats.errors import Refused

SAID = [
    messages.CameraRead("ZS1:ABC"), messages.CameraAlive(3), messages.Deliver("list", '{"payload":"…"}'),
    messages.Link(False), messages.Hello("hall-1", ("PEM",)), messages.SendBatch(7, "{}"), messages.SendState("{}"),
]  # fmt: skip


@pytest.mark.parametrize("message", SAID, ids=lambda message: type(message).__name__)
def test_round_trip(message: messages.FromAgent):
    line = messages.encode_line(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert messages.decode_line(line[:-1], type(message), "socket") == message


def test_each_end_says_its_own_words_only():
    for message in SAID:
        line = messages.encode_line(message)[:-1]
        for spoken in (messages.FromCamera, messages.FromAgent, messages.ToAgent):
            if isinstance(message, spoken):
                assert messages.decode_line(line, spoken, "socket") == message
            else:
                with pytest.raises(Refused, match="bad_schema"):
                    messages.decode_line(line, spoken, "socket")


@given(st.binary(max_size=80))
def test_garbage_is_refused(line: bytes):
    with pytest.raises(Refused):
        messages.decode_line(line, messages.FromAgent, "sync")


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_come_out_whole_however_they_arrive(lines: list[bytes], data: st.DataObject):
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    buffer, cut = messages.LineBuffer(20), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        cut += buffer.feed(stream[:size])
        stream = stream[size:]
    assert cut == lines


@pytest.mark.parametrize("chunk", [1, 3, 11])
def test_a_line_that_never_ends_is_refused(chunk: int):
    buffer = messages.LineBuffer(10)
    assert buffer.feed(b"0123456789\n") == [b"0123456789"]
    with pytest.raises(Refused, match="too_large"):
        list(map(buffer.feed, [b"x" * chunk] * 11))


def test_a_long_line_is_refused_also_when_its_end_came_with_it():
    with pytest.raises(Refused, match="too_large"):
        messages.LineBuffer(10).feed(b"x" * 11 + b"\n")
