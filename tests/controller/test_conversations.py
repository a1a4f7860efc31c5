"""The controller's sockets with a real door behind them: what counts is where something is said."""

import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.conversations import Conversations
from controller.door_events import LeafMoved
from controller.formats.messages import CameraRead, encode_line
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import HOUR, NOON, code_list, grant, token

QR = token()
LIST = code_list(grant("g1", pin=None, qr=QR), version=NOON - HOUR)


class Wired:
    """An enrolled door that listens on real sockets in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.door = EnrolledUnit(folder / "data", Town())
        self.door.deliver_list(LIST)
        self._selector = selectors.DefaultSelector()
        self._conversations = Conversations(folder, self._selector)
        self._conversations.listener = self.door.performer

    def say(self, role: str, line: bytes) -> None:
        """A process of its own connects to a socket, says a line and hangs up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as process:
            process.connect(str(self.folder / f"{role}.sock"))
            process.sendall(line)
        while ready := self._selector.select(0.05):
            for key, _ in ready:
                key.data()

    def walk(self) -> None:
        """Through the door, which falls shut."""
        for moved in (True, False):
            self.door.performer.feed(LeafMoved(moved))
        self.door.pass_time(10)

    def went(self) -> list[tuple[str, str | None]]:
        """Who went in or out, by what."""
        went = [event for event in self.door.events() if event["kind"] in {"granted", "in", "out"}]
        return [(event["kind"], event["detail"].get("by")) for event in went]

    def close(self) -> None:
        self._conversations.close()
        self._selector.close()
        self.door.unit.log.close()


@pytest.fixture
def wired(tmp_path) -> Iterator[Wired]:
    wired = Wired(tmp_path)
    yield wired
    wired.close()


def test_a_code_read_inside_signs_out_and_lets_nobody_in(wired: Wired):
    read = encode_line(CameraRead(text=QR))
    wired.say("camera_inside", read)
    assert (wired.went(), wired.door.lock.releases) == ([], 0), "nobody is inside"
    wired.say("camera", read)
    wired.walk()
    wired.say("camera_inside", read)
    assert wired.door.lock.releases == 1
    assert wired.went() == [("granted", None), ("in", None), ("out", "sign_out")]
    left = wired.door.events("out")[0]
    assert (left["credential"], left["detail"]["attribution"]) == ("qr", "explicit")


@pytest.mark.parametrize(
    "claim", [b'"inside":false', b'"side":"outside"', b'"reader":"camera"', b'"role":"camera"'], ids=repr
)
def test_a_camera_cannot_say_that_it_is_the_other_one(wired: Wired, claim):
    """The side is the socket's; whoever says more than a text is hung up on."""
    wired.say("camera_inside", b'{"text":"%s","type":"read",%s}\n' % (QR.encode(), claim))
    assert wired.door.lock.releases == 0
    told = [(event["reason"], event["detail"]) for event in wired.door.events("trust")]
    assert told == [("bad_schema", {"what": "socket"})]
