"""A hub folder, and the files that a new door unit takes along where it cannot be enrolled by QR (`enrol_desk`).

make_hub(folder, ["hub.example"], now)
enrol_door(service, readers, settings, sessions, "hall-1", UnitKeys.parse(data, "unit.json"), out, now)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from controller.formats import jwe, jwk
from controller.formats.encoding import parse_object
from controller.formats.errors import Refused
from controller.formats.jwe import EncryptKey
from controller.formats.jwk import VerifyKey
from sync.hub.doors.enrol_desk import note_certificate, retire
from sync.hub.doors.readers import DoorReaders
from sync.hub.doors.revocation import BrokerFiles
from sync.hub.keys.ca import Authority, make_tls
from sync.hub.keys.keyring import make_keys, write_once
from sync.hub.keys.link_keys import make_link_keys
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.service import Service
from sync.hub.settings import DOORS_HOST, DOORS_TEMPLATE, FILE, TEMPLATE, Settings, read_settings
from sync.hub.store.database import Sessions


def make_hub(folder: Path, hosts: Sequence[str], now: datetime) -> list[Path]:
    """Make what is missing of a hub folder and return the new files; nothing is overwritten. The broker's
    certificate is for `hosts` and for this machine. Raises Refused `bad_settings` for a hub.toml that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    settings_file = folder / FILE
    made = []
    template = TEMPLATE.format(broker=[*hosts, "127.0.0.1"][0])
    if hosts and re.fullmatch(DOORS_HOST, hosts[0].lower()):
        template += DOORS_TEMPLATE.format(host=hosts[0].lower())
    if write_once(settings_file, template.encode(), mode=0o644):
        made.append(settings_file)
    settings = read_settings(folder)
    made += make_keys(settings.folders.keys) + make_link_keys(settings.folders.keys)
    made += make_tls(settings.folders.tls, hosts, now)
    return made + BrokerFiles(settings.folders.tls).write_first()


@dataclass(frozen=True)
class UnitKeys:
    """The public halves of the keys a unit made for itself: one signs its log, one opens what is sent to it."""

    event_key: VerifyKey
    encrypt_key: EncryptKey

    @classmethod
    def parse(cls, data: bytes, where: str) -> UnitKeys:
        """What `zaalsleutel door init` prints. Raises Refused."""
        members = parse_object(data, where)
        if set(members) != {"event_key", "encrypt_key"}:
            raise Refused("bad_key", where, "exactly event_key and encrypt_key, as `zaalsleutel door init` prints them")
        event_key = jwk.load_public(members["event_key"], f"{where} event_key")
        return cls(event_key, jwe.load_public(members["encrypt_key"], f"{where} encrypt_key"))


def enrol_door(
    service: Service,
    readers: DoorReaders,
    settings: Settings,
    sessions: Sessions,
    door: str,
    unit: UnitKeys,
    out: Path,
    now: datetime,
) -> list[Path]:
    """Register a unit's keys and write what it needs into `out`: `agent.crt` and `agent.key` (TLS), `ca.pem`,
    `trust.json`. Raises Refused `not_found` for a door the town does not name, `no_trust` before the first ceremony."""
    trust = TrustShelf(settings.folders.keys / TRUST).needed().document
    service.enrol(door, unit.event_key)
    readers.register(door, unit.encrypt_key)
    authority = Authority.load(settings.folders.tls)
    certificate, private = authority.client(door, now)
    with sessions.begin() as session:
        # Whatever was this door before is not any more.
        retire(session, door, now)
        note_certificate(session, door, x509.load_pem_x509_certificate(certificate))
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents = [("agent.crt", certificate, 0o644), ("ca.pem", authority.pem, 0o644), ("trust.json", trust, 0o644)]
    for name, content, mode in [*contents, ("agent.key", private, 0o600)]:
        (out / name).unlink(missing_ok=True)
        write_once(out / name, content, mode=mode)
    return sorted(out / name for name in ("agent.crt", "agent.key", "ca.pem", "trust.json"))
