"""The five sockets of the controller and everybody connected to them.

| socket    | who connects        | what they may say              | what they are told            |
|-----------|---------------------|--------------------------------|-------------------------------|
| `camera`  | the camera process  | `CameraRead`, `CameraAlive`    | nothing                       |
| `camera_inside` | the one that looks at the inner side | the same: what is read there only signs out | nothing |
| `sync`    | the agent           | `Deliver`, `Link`, `UpdateIs`, about enrolment | `Hello`, `SendBatch`, `SendState` |
| `display` | the display process | `DisplayAlive`                 | `PublicState`                 |
| `admin`   | staff               | `AskStatus`, `AskCommissioning`, `Findings` | `Status`, `Commissioning` |

Whoever talks nonsense, floods, or stops reading is disconnected; the door goes on.
"""

from __future__ import annotations

import selectors
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from controller.door_socket import Client, ClientGone, RoleSocket
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.messages import FromAdmin, FromAgent, FromCamera, FromDisplay, decode_line
from controller.performer import Role, Tell


class _Rules(msgspec.Struct, frozen=True):
    says: Any  # the message types
    max_line_bytes: int
    max_clients: int
    group: str | None = None  # the account that may connect beside the controller's own


RULES: dict[Role, _Rules] = {
    "camera": _Rules(FromCamera, LIMITS.socket_line_bytes, 2, "zs-camera"),
    "camera_inside": _Rules(FromCamera, LIMITS.socket_line_bytes, 2, "zs-camera-inside"),
    "sync": _Rules(FromAgent, LIMITS.sync_line_bytes, 1, "zs-sync"),
    "display": _Rules(FromDisplay, LIMITS.socket_line_bytes, 4, "zs-display"),
    "admin": _Rules(FromAdmin, LIMITS.socket_line_bytes, 4),
}


class Listener(Protocol):
    """Who is told what is said. Set before the first turn of the loop."""

    def joined(self, role: Role) -> None: ...

    def heard(self, role: Role, message: Any, reply: Tell) -> None: ...

    def left(self, role: Role) -> None: ...

    def nonsense(self, role: Role, refused: Refused) -> None: ...


class Conversations:
    """Listens in `folder`; registers everything with `selector`, whose data are calls to make."""

    listener: Listener

    def __init__(self, folder: Path, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._sockets = {role: self._listen(folder, role, rules) for role, rules in RULES.items()}

    @property
    def backlog(self) -> bool:
        """Whether lines wait that no descriptor will announce."""
        return any(client.backlog for role in self._sockets.values() for client in role.clients)

    def hear_backlog(self) -> None:
        """Listen to the next few lines of everybody who still has some waiting."""
        for role, listening in self._sockets.items():
            for client in [client for client in listening.clients if client.backlog]:
                self._hear(role, client)

    def tell(self, role: Role, message: msgspec.Struct) -> None:
        """Say something to everybody on a socket."""
        for client in tuple(self._sockets[role].clients):
            self._send(role, client, message)

    def anybody(self, role: Role) -> bool:
        return bool(self._sockets[role].clients)

    def close(self) -> None:
        for listening in self._sockets.values():
            listening.close()

    def _listen(self, folder: Path, role: Role, rules: _Rules) -> RoleSocket:
        listening = RoleSocket(
            folder / f"{role}.sock",
            group=rules.group,
            max_clients=rules.max_clients,
            max_line_bytes=rules.max_line_bytes,
            max_unsent_bytes=4 * LIMITS.batch_bytes,
        )
        self._selector.register(listening, selectors.EVENT_READ, partial(self._accept, role))
        return listening

    def _accept(self, role: Role) -> None:
        client = self._sockets[role].accept()
        if client is not None:
            self._selector.register(client, selectors.EVENT_READ, partial(self._receive, role, client))
            self.listener.joined(role)

    def _receive(self, role: Role, client: Client) -> None:
        try:
            client.flush()
            client.read()
        except ClientGone:
            self._drop(role, client)
        except Refused as refused:
            self._drop(role, client)
            self.listener.nonsense(role, refused)
        else:
            self._hear(role, client)

    def _hear(self, role: Role, client: Client) -> None:
        says = RULES[role].says
        for line in client.lines():
            try:
                message = decode_line(line, says, f"{role}.sock")
            except Refused as refused:
                self._drop(role, client)
                self.listener.nonsense(role, refused)
                return
            self.listener.heard(role, message, partial(self._send, role, client))
        self._watch(role, client)

    def _send(self, role: Role, client: Client, message: msgspec.Struct) -> None:
        try:
            client.send(message)
        except ClientGone:
            self._drop(role, client)
        else:
            self._watch(role, client)

    def _watch(self, role: Role, client: Client) -> None:
        """Wait for room in the socket only while something is unsent."""
        if client not in self._sockets[role].clients:
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.wants_to_write else 0)
        registered = self._selector.get_key(client)
        if registered.events != wanted:
            self._selector.modify(client, wanted, registered.data)

    def _drop(self, role: Role, client: Client) -> None:
        if client not in self._sockets[role].clients:
            return
        self._selector.unregister(client)
        self._sockets[role].drop(client)
        self.listener.left(role)
