"""The other ends of two of the controller's sockets: asking for `Status`, watching `PublicState`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from controller.formats.limits import LIMITS
from controller.formats.messages import AskStatus, LineBuffer, PublicState, Status, decode_line, encode_line

ANSWER_S = 5.0


def ask_status(sockets: Path) -> Status:
    """How the unit whose sockets are in this folder is. Raises OSError when it does not answer, or Refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(sockets / "admin.sock"))
        connection.sendall(encode_line(AskStatus()))
        lines = LineBuffer(LIMITS.socket_line_bytes)
        while True:
            for line in lines.feed(_some(connection)):
                return decode_line(line, Status, "admin.sock")


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
