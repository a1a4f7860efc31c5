"""What anybody beside a door unit may ask it: staff on `admin.sock`, the display on `display.sock`.

door = DoorClient(sockets_folder)
door.status().unsent
door.public().shown
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from controller.formats.limits import LIMITS
from controller.formats.messages import AskStatus, LineBuffer, PublicState, Status, decode_line, encode_line

ANSWER_S: Final = 5.0
READ_BYTES: Final = 65_536

M = TypeVar("M", bound=msgspec.Struct)


class DoorClient:
    """`sockets` is the folder of the controller's sockets. Methods raise OSError while the controller is away."""

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets

    def answers(self) -> bool:
        """Whether the controller is up. Raises OSError when nobody listens at all."""
        return bool(self.status().door)

    def status(self) -> Status:
        """Everything staff want to know."""
        return self._hear("admin", AskStatus(), Status)

    def public(self) -> PublicState:
        """What anybody standing there may know, among it the answer that is shown now."""
        return self._hear("display", None, PublicState)

    def _hear(self, role: str, question: msgspec.Struct | None, kind: type[M]) -> M:
        lines = LineBuffer(LIMITS.socket_line_bytes)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(self._sockets / f"{role}.sock"))
            if question is not None:
                connection.sendall(encode_line(question))
            while data := connection.recv(READ_BYTES):
                for line in lines.feed(data):
                    return decode_line(line, kind, f"{role}.sock")
        raise ConnectionError("the controller hung up")
