"""Somebody who owns the broker and a list key that is retired or revoked by now, and a hub that signs what it should
not. What they send looks as genuine as it can be made; no door may go by it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec

from controller.formats import code_list, jwe
from controller.formats.code_list import CodeList
from simulator.hub_store import HubDoor
from simulator.simulated_broker import SimulatedBroker
from simulator.simulated_hub import SimulatedHub
from sync.topics import topic

DAY_S = 86_400


@dataclass
class Intruder:
    """Sends one thing a time to one door."""

    hub: SimulatedHub
    broker: SimulatedBroker
    chance: random.Random

    def act(self, door: str) -> None:
        """Something old, something of another door's, something with an old key, or two lists with one number."""
        deeds = (self._old, self._other_doors, self._old_key, self._same_number)
        deeds[int(self.chance.random() * len(deeds))](self.hub.store.doors[door])

    def _old(self, door: HubDoor) -> None:
        for leaf in ("list", "receipt", "trust"):
            heard = self.broker.heard[topic(door.id, leaf)]
            if heard:
                self._send(door, leaf, heard[int(self.chance.random() * len(heard))])

    def _other_doors(self, door: HubDoor) -> None:
        for other in self.hub.store.doors.values():
            if other.id != door.id and other.envelope is not None:
                self._send_list(door, other.envelope)
                for receipt in self.broker.heard[topic(other.id, "receipt")]:
                    self._send(door, "receipt", receipt)

    def _old_key(self, door: HubDoor) -> None:
        if door.issued is None:
            return
        envelope = self.hub.sign_with_old_key(_wide_open(door.issued, door.issued.version + 1), door)
        if envelope is not None:
            self._send_list(door, envelope)

    def _same_number(self, door: HubDoor) -> None:
        # A door that has not had the right one yet could not tell.
        if door.issued is not None and door.applied == door.version:
            self._send_list(door, self.hub.sign_again(_wide_open(door.issued, door.issued.version)))

    def _send_list(self, door: HubDoor, envelope: bytes) -> None:
        assert door.reader is not None  # every door of the world is enrolled
        self._send(door, "list", jwe.encrypt(envelope, code_list.TYP, door.reader).encode())

    def _send(self, door: HubDoor, leaf: str, payload: bytes) -> None:
        self.broker.deliver(topic(door.id, leaf), payload, False)


def _wide_open(made: CodeList, version: int) -> CodeList:
    """The same list with every grant open for a day around its time, which nobody booked."""
    grants = tuple(
        msgspec.structs.replace(grant, windows=((grant.windows[0][0] - DAY_S, grant.windows[-1][1] + DAY_S),))
        for grant in made.grants
    )
    return msgspec.structs.replace(made, version=version, grants=grants, issued=made.issued + version - made.version)
