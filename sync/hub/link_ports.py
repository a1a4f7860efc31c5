"""What the link wants from outside: settings, and a service to hand things to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from controller.formats.errors import Refused
from controller.formats.event import Event
from controller.formats.jwk import VerifyKey
from controller.formats.state import StateReport


class BrokerAddress(Protocol):
    """Where the broker listens."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class LinkFolders(Protocol):
    """`tls` holds `ca.pem`, `hub.pem` and `hub.key`; `keys` the trust documents."""

    @property
    def keys(self) -> Path: ...

    @property
    def tls(self) -> Path: ...


class LinkSettings(Protocol):
    """What the link needs of the hub's settings."""

    @property
    def mqtt(self) -> BrokerAddress: ...

    @property
    def folders(self) -> LinkFolders: ...


class LinkService(Protocol):
    """What the link needs of the hub's service. Times are whole UTC seconds."""

    def event_keys(self, doors: Collection[str], /) -> dict[str, VerifyKey]:
        """The keys that doors sign with, without those of doors that are unknown or not enrolled."""

    def doors_reported(self, reports: Sequence[StateReport], at: int, /) -> list[Refused]:
        """State reports whose signatures held; gives back what was refused of them."""

    def passes_used(self, door_id: str, credentials: Collection[str], now: int, /) -> set[str]:
        """Passes that opened by themselves; gives back the ones that were never issued."""

    def commissioned(self, door_id: str, events: Sequence[Event], now: int, /) -> None:
        """What the door's log says about its being brought into service."""

    def due(self, now: int, /) -> None:
        """Do what time has made due."""
