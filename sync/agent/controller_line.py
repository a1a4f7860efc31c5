"""The agent's end of the controller's `sync.sock`: lines of JSON on a Unix socket."""

from __future__ import annotations

import socket

from controller.formats.limits import LIMITS
from controller.formats.messages import FromAgent, LineBuffer, ToAgent, decode_line, encode_line

READ_BYTES = 256 << 10
# A controller that has left this much unread has stopped; a new connection gets everything that counts again.
UNREAD_BYTES = 3 * LIMITS.sync_line_bytes


class Hangup(Exception):
    """The conversation is over: the controller closed it, or stopped reading."""


class ControllerLine:
    """One conversation with the controller. Raises OSError when nobody listens on `path`."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._lines = LineBuffer(LIMITS.sync_line_bytes)
        self._unsent = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def wants_to_write(self) -> bool:
        return bool(self._unsent)

    def read(self) -> list[ToAgent]:
        """The messages that are complete now. Raises Hangup, or Refused for a line that is no message."""
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise Hangup(error.strerror) from None
        if not data:
            raise Hangup("closed")
        return [decode_line(line, ToAgent, "sync.sock") for line in self._lines.feed(data)]

    def send(self, message: FromAgent) -> None:
        """Queue a message and send what the socket takes. Raises Hangup."""
        self._unsent += encode_line(message)
        self.write()
        if len(self._unsent) > UNREAD_BYTES:
            raise Hangup("does not read")

    def write(self) -> None:
        """Send what waits. Raises Hangup."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError as error:
            raise Hangup(error.strerror) from None

    def close(self) -> None:
        self._socket.close()
