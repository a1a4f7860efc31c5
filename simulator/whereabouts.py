"""Where a running demo is: one small file that lets `zaalsleutel sim keys …` find it from any terminal.

The file is in the demo's own folder, with a copy in the account's run folder (`$XDG_RUNTIME_DIR`, else
`~/.local/state`). Of two demos the one started last is the one that is found without `--directory`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "demo.json"


class NoDemo(Exception):
    """No demo runs; the text says how to start one."""


class Whereabouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A demo from outside. Paths are absolute; `token` is the booking client's and good for this demo only."""

    pid: int
    directory: str
    door: str
    room: str
    hub_port: int
    broker_port: int
    token: str
    control_socket: str
    sockets: str


def publish(here: Whereabouts) -> None:
    """Write both files, readable by this account only: there is a token in them."""
    for path in (Path(here.directory) / FILE, _well_known()):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{FILE}.{here.pid}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.encode(here))
        fresh.replace(path)


def withdraw(here: Whereabouts) -> None:
    """Take the well-known file away, unless it is another demo's by now."""
    try:
        if _read(_well_known()).pid == here.pid:
            _well_known().unlink()
    except (OSError, msgspec.MsgspecError):
        return


def find(directory: Path | None = None) -> Whereabouts:
    """The running demo, or the one in `directory`. Raises NoDemo."""
    path = _well_known() if directory is None else directory / FILE
    try:
        here = _read(path)
        os.kill(here.pid, 0)  # asks only whether it lives
    except (OSError, msgspec.MsgspecError):
        where = "" if directory is None else f" in {directory}"
        raise NoDemo(f"no demo is running{where}; start one in another terminal: ./run demo") from None
    return here


def _read(path: Path) -> Whereabouts:
    return msgspec.json.decode(path.read_bytes(), type=Whereabouts)


def _well_known() -> Path:
    run = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(run) if run else Path.home() / ".local" / "state"
    return folder / "zaalsleutel" / FILE
