"""The other ends of two of the controller's sockets: asking for `Status` or why a grant opens, reporting a
self-test, commissioning; and watching `PublicState`."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Literal, TypeVar

import msgspec

from controller.formats.limits import LIMITS
from controller.formats.messages import (
    AskCommissioning,
    AskExplain,
    AskStatus,
    Commissioning,
    Explained,
    Findings,
    LineBuffer,
    PublicState,
    Status,
    decode_line,
    encode_line,
)
from controller.formats.state import Colour

ANSWER_S = 5.0
A = TypeVar("A", bound=msgspec.Struct)


class Admin:
    """A conversation with the unit whose sockets are in this folder. Every method raises OSError when it does not
    answer, or Refused."""

    def __init__(self, sockets: Path) -> None:
        self._path = str(sockets / "admin.sock")
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Admin:
        self._connection.settimeout(ANSWER_S)
        try:
            self._connection.connect(self._path)
        except OSError:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def status(self) -> Status:
        """How the unit is."""
        return self._ask(AskStatus(), Status)

    def report(self, checks: Mapping[str, Colour]) -> Status:
        """Tell it what the doctor found."""
        return self._ask(Findings(checks=dict(checks)), Status)

    def commission(self, do: Literal["begin", "press", "abandon", "look"], symbol: str | None = None) -> Commissioning:
        """Bring it into service, one word at a time."""
        return self._ask(AskCommissioning(do=do, symbol=symbol), Commissioning)

    def explain(self, grant: str) -> Explained:
        """What a grant's credentials would be answered just now."""
        return self._ask(AskExplain(grant=grant), Explained)

    def _ask(self, question: msgspec.Struct, answer: type[A]) -> A:
        self._connection.sendall(encode_line(question))
        lines = LineBuffer(LIMITS.socket_line_bytes)
        while True:
            for line in lines.feed(_some(self._connection)):
                return decode_line(line, answer, "admin.sock")


def ask_status(sockets: Path) -> Status:
    """How the unit whose sockets are in this folder is. Raises OSError when it does not answer, or Refused."""
    with Admin(sockets) as unit:
        return unit.status()


def watch(sockets: Path, seconds: float) -> Iterator[PublicState]:
    """What the unit shows to everybody, now and at each change, for some seconds. Raises OSError or Refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(sockets / "display.sock"))
        lines = LineBuffer(LIMITS.socket_line_bytes)
        end_s = monotonic() + seconds
        while (left_s := end_s - monotonic()) > 0:
            connection.settimeout(left_s)
            try:
                received = _some(connection)
            except TimeoutError:
                return
            for line in lines.feed(received):
                yield decode_line(line, PublicState, "display.sock")


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    if not received:
        raise OSError("the unit closed the connection")
    return received
