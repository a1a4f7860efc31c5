"""The controller's Unix sockets. A socket is a role: who may connect is the file's owner and mode, what may be said is
the role's messages, and how much of it one loop turn listens to is bounded, so no client keeps the door from deciding.
"""

from __future__ import annotations

import grp
import os
import socket
from collections import deque
from pathlib import Path

import msgspec

from controller.formats.messages import LineBuffer, encode_line

LINES_PER_TURN = 16
READ_BYTES = 64 << 10


class ClientGone(Exception):
    """The other end closed, or does not read what it is sent."""


class Client:
    """One connection: lines in, messages out, neither ever waited for."""

    def __init__(self, connection: socket.socket, max_line_bytes: int, max_unsent_bytes: int) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._buffer = LineBuffer(max_line_bytes)
        self._lines: deque[bytes] = deque()
        self._unsent = bytearray()
        self._max_unsent_bytes = max_unsent_bytes

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def backlog(self) -> bool:
        """Whether lines wait that no descriptor will announce."""
        return bool(self._lines)

    @property
    def wants_to_write(self) -> bool:
        return bool(self._unsent)

    def read(self) -> None:
        """Take what has arrived, unless lines are still waiting. Raises ClientGone, or Refused `too_large`."""
        if self._lines:
            return
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise ClientGone from error
        if not data:
            raise ClientGone
        self._lines.extend(self._buffer.feed(data))

    def lines(self) -> list[bytes]:
        """The next few lines."""
        return [self._lines.popleft() for _ in range(min(LINES_PER_TURN, len(self._lines)))]

    def send(self, message: msgspec.Struct) -> None:
        """Queue a message. Raises ClientGone when the other end has stopped reading."""
        if len(self._unsent) > self._max_unsent_bytes:
            raise ClientGone
        self._unsent += encode_line(message)
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes now. Raises ClientGone."""
        try:
            while self._unsent:
                sent = self._connection.send(self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            return
        except OSError as error:
            raise ClientGone from error

    def close(self) -> None:
        self._connection.close()


class RoleSocket:
    """A listening socket for one role. `group` is who may connect beside the owner, where the system has that group;
    beyond `max_clients` a newcomer is turned away."""

    def __init__(
        self,
        path: Path,
        *,
        group: str | None = None,
        mode: int = 0o660,
        max_clients: int = 4,
        max_line_bytes: int,
        max_unsent_bytes: int,
    ) -> None:
        path.unlink(missing_ok=True)
        self.path = path
        self.clients: set[Client] = set()
        self._max_clients = max_clients
        self._max_line_bytes = max_line_bytes
        self._max_unsent_bytes = max_unsent_bytes
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(str(path))
        if group is not None:
            _give(path, group)
        path.chmod(mode)
        self._listener.listen(4)

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> Client | None:
        """The next client, None when there is none or no place for it."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return None
        if len(self.clients) >= self._max_clients:
            connection.close()
            return None
        client = Client(connection, self._max_line_bytes, self._max_unsent_bytes)
        self.clients.add(client)
        return client

    def drop(self, client: Client) -> None:
        """Close a connection."""
        self.clients.discard(client)
        client.close()

    def close(self) -> None:
        for client in tuple(self.clients):
            self.drop(client)
        self._listener.close()
        self.path.unlink(missing_ok=True)


def _give(path: Path, group: str) -> None:
    """Let a group connect. A machine without the appliance's accounts has only the owner, and that is enough there;
    where the process may not give files away, the service manager does (`ExecStartPost` of the controller's unit)."""
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except (KeyError, PermissionError):
        return
