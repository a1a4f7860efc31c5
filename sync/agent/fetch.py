"""One package from the hub over HTTPS, into a file that grows.

    fetch(Source("hub.example:8443", authorities), update, spool / "3f….part", room, going_on)

What a cut left is kept and gone on from. Size and SHA-256 are looked at while it is written, so the file is the right
one when this returns. Who signed for that SHA-256 is not judged here but by the one-shot that installs: whoever owns
the broker can have a unit fetch what the hub itself has on offer, and nothing else.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path

from controller.formats.enrolment import host_and_port
from controller.formats.errors import Refused
from controller.formats.update import Update

WAIT_S = 20.0
CHUNK_BYTES = 1 << 18
RESERVE_BYTES = 128 << 20
"""So much of the disk stays free whatever is offered: the door's log is on it."""

WHOLE, PARTIAL = 200, 206
REFUSALS = {404: "not_found", 503: "busy"}


@dataclass(frozen=True)
class Source:
    """The hub (`name` or `name:port`), and the CAs (PEM) of which one must vouch for it."""

    hub: str
    authorities: str


class GivenUp(Exception):
    """Nobody wants it any more."""


def fetch(source: Source, update: Update, part: Path, room: Callable[[], int], going_on: Callable[[], bool]) -> None:
    """Bring the package of `update` into `part`. `room` says how many bytes are free, `going_on` whether it is still
    wanted. Raises Refused (`disk_full`, `wrong_package`, `not_found`, `busy`, `hub_failed`, `no_authority`, and
    `unreachable`, also for a hub that falls silent or breaks off), OSError of the disk, GivenUp. A wrong package is not
    kept."""
    written = _Written(part, update, room)
    if written.size < update.size:
        _download(source, update, written, going_on)
    if written.digest.hexdigest() != update.sha256:
        part.unlink()
        raise Refused("wrong_package", "update.sha256", "the hub gives another package than was signed for")


class _Written:
    """What is there of the package, and its hash."""

    def __init__(self, part: Path, update: Update, room: Callable[[], int]) -> None:
        self.size, self.digest = 0, hashlib.sha256()
        self._part, self._wanted, self._room = part, update.size, room
        with part.open("ab+") as file:
            file.seek(0)
            while chunk := file.read(CHUNK_BYTES):
                self.digest.update(chunk)
                self.size += len(chunk)
        if self.size > self._wanted:
            self.restart()

    def restart(self) -> None:
        """None of it is of use."""
        self._part.write_bytes(b"")
        self.size, self.digest = 0, hashlib.sha256()

    def append(self, chunks: Iterator[bytes], going_on: Callable[[], bool]) -> None:
        """Take what the hub sends, until all is there."""
        with self._part.open("ab") as file:
            while self.size < self._wanted:
                if not going_on():
                    raise GivenUp
                if self._room() < RESERVE_BYTES:
                    raise Refused("disk_full", str(self._part), f"{RESERVE_BYTES >> 20} MiB stay free")
                chunk = next(chunks, b"")[: self._wanted - self.size]
                if not chunk:
                    raise Refused("unreachable", "hub", "broke off")
                file.write(chunk)
                self.digest.update(chunk)
                self.size += len(chunk)


def _download(source: Source, update: Update, written: _Written, going_on: Callable[[], bool]) -> None:
    host, port = host_and_port(source.hub)
    connection = HTTPSConnection(host, port, timeout=WAIT_S, context=_context(source.authorities))
    try:
        response = _answer(connection, f"/v1/updates/{update.sha256}", written.size)
        if response.status == WHOLE:
            written.restart()
        elif response.status != PARTIAL or not _goes_on(response, written.size):
            code = REFUSALS.get(response.status, "hub_failed")
            raise Refused(code, source.hub, f"the hub refused with status {response.status}")
        written.append(_chunks(response), going_on)
    finally:
        connection.close()


def _answer(connection: HTTPSConnection, path: str, offset: int) -> HTTPResponse:
    with _reaching():
        connection.request("GET", path, headers={"Range": f"bytes={offset}-"})
        return connection.getresponse()


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        with _reaching():
            chunk = response.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


@contextmanager
def _reaching() -> Iterator[None]:
    """What the network does is not what the disk does, though both are OSError."""
    try:
        yield
    except (OSError, HTTPException, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
        raise Refused("unreachable", "hub", f"{type(error).__name__}: {error}") from None


def _goes_on(response: HTTPResponse, offset: int) -> bool:
    return (response.getheader("Content-Range") or "").startswith(f"bytes {offset}-")


def _context(authorities: str) -> ssl.SSLContext:
    try:
        if authorities:  # with none, Python would believe the system's
            return ssl.create_default_context(cadata=authorities)
    except (ssl.SSLError, ValueError):
        pass
    raise Refused("no_authority", "trust.authorities", "names no CA to know the hub by")
