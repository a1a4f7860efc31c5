"""Keeping a door away from the broker: its certificate on the list of revoked ones, its name denied in the access
rules, its live session ended.

    files = BrokerFiles(tls_folder)
    files.write(sessions, now)              # crl.pem and zaalsleutel.acl, where they are not as they should be
    shut_out(tls_folder, address, "hall-1") # throws it off; True once the broker itself refuses the name

Mosquitto reads both files again on SIGHUP (whoever runs it sees to that: systemd/hub/), but leaves sessions alone that
are on. The broker makes the certificate's name the client id, and a client id has one session: so the hub certifies
itself under the door's name for a moment, takes its place, and leaves.
"""

from __future__ import annotations

import logging
import os
import queue
import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from sqlalchemy import select

from sync.hub.doors.enrol_models import DoorCertificate, ShutDoor
from sync.hub.keys.ca import CRL, HUB, Authority
from sync.hub.mqtt import Client, Reason, new_client
from sync.hub.store.database import Sessions, reading
from sync.topics import DOWN, ROOT, UP, topic

ACL = "zaalsleutel.acl"
REISSUE_EVERY: Final = timedelta(days=1)
ANSWER_S: Final = 5.0
NOT_AUTHORIZED: Final = 0x87

_HEADER: Final = """\
# Who may say what. %u is the common name of the client certificate. For a door that is its id, `[a-z0-9-]{1,40}`; the
# dot in the hub's name is what keeps a door from ever being called that. Written by the hub.

# A door has its own branch and nothing else, and each topic in one direction only.
"""
_HUB_RULES: Final = f"""
# The hub has all doors. What it writes means nothing without the signatures inside, which no topic can give.
user {HUB}
topic readwrite {ROOT}/#
"""

log = logging.getLogger(__name__)


def access_rules(shut: Iterable[str] = ()) -> str:
    """The broker's access rules, in which the names in `shut` may do nothing. Mosquitto looks at denials first."""
    rules = [f"pattern read {topic('%u', leaf)}" for leaf in DOWN] + [
        f"pattern write {topic('%u', leaf)}" for leaf in UP
    ]
    denied = [f"\nuser {door}\ntopic deny #\n" for door in sorted(shut)]
    return _HEADER + "\n".join(rules) + "\n" + _HUB_RULES + "".join(denied)


class BrokerFiles:
    """`crl.pem` and `zaalsleutel.acl` in the hub's folder of TLS files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, sessions: Sessions, now: datetime) -> list[Path]:
        """Bring both files up to date; those that were written. The list of revoked certificates is made anew every
        day, because it is good for 30 only. Raises Refused (no authority) or OSError."""
        with reading(sessions).begin() as session:
            living = DoorCertificate.expires_at > int(now.timestamp())
            found = session.scalars(select(DoorCertificate).where(DoorCertificate.revoked_at.is_not(None), living))
            revoked = [(int(each.serial, 16), datetime.fromtimestamp(each.revoked_at or 0, UTC)) for each in found]
            shut = session.scalars(select(ShutDoor.door)).all()
        written = []
        if not self._crl_holds({serial for serial, _ in revoked}, now):
            data = Authority.load(self._folder).revocations(revoked, now)
            written.append(_replace(self._folder / CRL, data))
        rules = access_rules(shut).encode("ascii")
        path = self._folder / ACL
        if not path.exists() or path.read_bytes() != rules:
            written.append(_replace(path, rules))
        return written

    def write_first(self) -> list[Path]:
        """The access rules for a broker that starts before there is a database, if there are none; what was made."""
        path = self._folder / ACL
        return [] if path.exists() else [_replace(path, access_rules().encode("ascii"))]

    def _crl_holds(self, serials: set[int], now: datetime) -> bool:
        """Whether the file names exactly these and is not a day old."""
        try:
            crl = x509.load_pem_x509_crl((self._folder / CRL).read_bytes())
        except (OSError, ValueError):
            return False
        named = {each.serial_number for each in crl}
        return named == serials and crl.last_update_utc + REISSUE_EVERY > now


def shut_out(folder: Path, host: str, port: int, door: str, now: datetime) -> bool:
    """End the door's session at the broker, whoever has it. True when the broker refuses the name by now: its access
    rules are in force. False when it does not, or cannot be reached. Raises Refused for a folder without authority."""
    certificate, private = Authority.load(folder).client(door, now, days=1)
    heard: queue.SimpleQueue[int] = queue.SimpleQueue()
    client = new_client(door, _context(folder, certificate, private), reconnect=False)

    def published(_client: Client, _data: object, _mid: int, reason: Reason, _properties: object) -> None:
        heard.put(int(reason.value))

    client.on_publish = published
    client.connect_timeout = ANSWER_S
    try:
        client.connect(host, port, clean_start=True)
        client.loop_start()
        # An answer to nothing: the hub takes no notice of it, and the broker says whether this name may speak.
        client.publish(topic(door, "answer"), b"", qos=1)
        return heard.get(timeout=ANSWER_S) == NOT_AUTHORIZED
    except (OSError, queue.Empty) as error:
        log.warning("%s is not shut out yet: %s", door, error or "the broker does not answer")
        return False
    finally:
        client.disconnect()
        client.loop_stop()


def shut_out_due(sessions: Sessions, folder: Path, host: str, port: int, now: datetime) -> None:
    """Throw off the doors that are shut and that the broker was not yet seen to refuse."""
    with reading(sessions).begin() as session:
        waiting = session.scalars(select(ShutDoor.door).where(ShutDoor.shut_at.is_(None))).all()
    for door in waiting:
        if shut_out(folder, host, port, door, now):
            note_shut(sessions, door, now)


def note_shut(sessions: Sessions, door: str, now: datetime) -> None:
    """The broker refuses this door."""
    with sessions.begin() as session:
        row = session.get(ShutDoor, door)
        if row is not None:
            row.shut_at = int(now.timestamp())
    log.info("%s is shut out: the broker refuses it", door)


def _context(folder: Path, certificate: bytes, private: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(folder / "ca.pem")
    # The ssl module takes a key from a file only; this one is unlinked before anybody could want it.
    with tempfile.NamedTemporaryFile(dir=folder) as pair:
        pair.write(certificate + private)
        pair.flush()
        context.load_cert_chain(pair.name)
    return context


def _replace(path: Path, data: bytes) -> Path:
    """Whole or as before: a broker that reads half a list lets nobody in."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(0o644)
    beside.replace(path)
    return path
