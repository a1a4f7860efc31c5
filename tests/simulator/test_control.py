"""The control socket carries requests and replies, and survives nonsense."""

import json
import socket

import pytest

from simulator.control import ControlServer, HardwareClient, HardwareRefused


@pytest.fixture
def path(tmp_path):
    def perform(verb, arguments):
        if verb == "fail":
            raise ValueError("out of order")
        return {"verb": verb, **arguments}

    server = ControlServer(tmp_path / "control.sock", perform)
    yield tmp_path / "control.sock"
    server.close()
    assert not (tmp_path / "control.sock").exists()


def test_a_request_gets_its_reply(path):
    with HardwareClient(path) as client:
        assert client.do("turn", degrees=90) == {"verb": "turn", "degrees": 90}
        with pytest.raises(HardwareRefused, match="out of order"):
            client.do("fail")
        assert client.do("turn") == {"verb": "turn"}


@pytest.mark.parametrize("line", [b"{}", b"[]", b"7", b"nonsense", b"\xff", b'{"do": 1'])
def test_nonsense_is_refused_and_the_connection_lives(path, line):
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(5)
        caller.connect(str(path))
        with caller.makefile("rwb") as lines:
            for sent, fine in ((line, False), (b'{"do": "turn"}', True)):
                lines.write(sent + b"\n")
                lines.flush()
                assert json.loads(lines.readline())["ok"] is fine


def test_several_callers_at_once(path):
    with HardwareClient(path) as one, HardwareClient(path) as other:
        assert one.do("a") == {"verb": "a"}
        assert other.do("b") == {"verb": "b"}


def test_nobody_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        HardwareClient(tmp_path / "nothing")
