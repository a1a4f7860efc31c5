"""Bytes on the controller's four sockets: garbage, half lines, floods, clients that never read; behind them a whole
controller, its real loop, sockets, drivers and log. It must go on answering staff, and its lock must not move."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from controller.formats.messages import AskStatus, Status, decode_line, encode_line
from simulator.pins import SOCKET_VARIABLE
from tests.controller.wired_unit import LINES, WiredUnit
from tests.fuzz.mutations import bent_bytes
from tests.fuzz.outcome import Found, Outcome

ROLES = ("camera", "camera_inside", "sync", "display", "admin")
LINES_OF_ALL = (
    b'{"text":"ZS1:AAAA","type":"read"}\n',
    b'{"frames":3,"type":"alive"}\n',
    b'{"type":"link","up":true}\n',
    b'{"body":"{}","kind":"list","type":"deliver"}\n',
    b'{"body":"x.y.z","kind":"receipt","type":"deliver"}\n',
    b'{"body":"[]","kind":"trust","type":"deliver"}\n',
    b'{"body":"{}","kind":"command","type":"deliver"}\n',
    b'{"pages":1,"type":"alive"}\n',
    b'{"type":"status"}\n',
    b'{"grant":"g1","type":"explain"}\n',
    b'{"type":"open"}\n',
    b'{"type":"release","seconds":5}\n',
)
STILL_THERE_EVERY = 100


def fuzz(n: int, seed: int, tell: Callable[[int], None]) -> Outcome:
    """`n` conversations. Raises Found."""
    random, outcome = Random(seed), Outcome()
    with tempfile.TemporaryDirectory(prefix="zs-") as name:
        folder = Path(name)
        os.environ[SOCKET_VARIABLE] = str(folder / "pins.sock")
        unit = WiredUnit(folder, "")
        try:
            unit.start()
            # Here everything there is to hear has been said before a turn begins, so no turn needs to wait for more.
            vars(unit.runner)["_timeout_s"] = lambda: 0.0
            for count in range(n):
                outcome.count(_converse(unit, folder / "run", random))
                if count % STILL_THERE_EVERY == 0:
                    _still_there(unit, folder / "run")
                tell(count + 1)
            _still_there(unit, folder / "run")
            if any(change.high for change in unit.board.history(LINES["lock"])):
                raise Found(f"the lock moved, seed {seed}")
        finally:
            unit.close()
            del os.environ[SOCKET_VARIABLE]
    return outcome


def _converse(unit: WiredUnit, sockets: Path, random: Random) -> str:
    """One client says something, in pieces, and perhaps never listens."""
    role = random.choice(ROLES)
    said = _speech(random)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0)
        with suppress(BlockingIOError):
            client.connect(str(sockets / f"{role}.sock"))
        while said:
            piece = random.randint(1, 70_000)
            try:
                client.send(said[:piece])
            except BlockingIOError:
                _turn(unit, role, said)
                continue
            except OSError:
                return f"{role}, hung up on"
            said = said[piece:]
            _turn(unit, role, said)
        _turn(unit, role, b"")
    _turn(unit, role, b"")
    return f"{role}, heard"


def _speech(random: Random) -> bytes:
    line = random.choice(LINES_OF_ALL)
    match random.randrange(6):
        case 0:
            return random.randbytes(random.choice((1, 100, 70_000)))
        case 1:
            return line[: random.randrange(len(line))]  # half a line, and gone
        case 2:
            return line * random.choice((2, 50, 400))
        case 3:
            return b"[" * 5_000 + b"\n"
        case 4:
            return line
        case _:
            return bent_bytes(line, random) + b"\n"


def _turn(unit: WiredUnit, role: str, said: bytes) -> None:
    try:
        unit.runner.turn()
    except Exception as crash:
        raise Found(f"{crash!r} from {role}.sock, left to say: {said[:200]!r}") from crash


def _still_there(unit: WiredUnit, sockets: Path) -> None:
    """Staff get their answer."""
    with socket.socket(socket.AF_UNIX) as staff:
        staff.connect(str(sockets / "admin.sock"))
        staff.sendall(encode_line(AskStatus()))
        staff.setblocking(False)
        heard = b""
        for _ in range(200):
            _turn(unit, "admin", b"")
            with suppress(BlockingIOError):
                heard += staff.recv(65_536)
            if heard.endswith(b"\n"):
                decode_line(heard.splitlines()[0], Status, "admin.sock")
                return
    raise Found(f"staff are not answered any more: {json.dumps(heard.decode('utf-8', 'replace'))}")
