"""Where a running demo is: one small file that lets `zaalsleutel sim keys …` find it from any terminal.

The file is in the demo's own folder, with a copy in the account's run folder (`$XDG_RUNTIME_DIR`, else
`~/.local/state`). Of the demos that run, the one started last is found without `--directory`.
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
    for path in _well_known():
        if not _lives(path):  # of a demo that was killed
            path.unlink(missing_ok=True)
    for path in (Path(here.directory) / FILE, _copy(here)):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{FILE}.{here.pid}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.encode(here))
        fresh.replace(path)


def withdraw(here: Whereabouts) -> None:
    """Take the copy away."""
    _copy(here).unlink(missing_ok=True)


def find(directory: Path | None = None) -> Whereabouts:
    """The running demo, or the one in `directory`. Raises NoDemo."""
    for path in _well_known() if directory is None else [directory / FILE]:
        if here := _lives(path):
            return here
    where = "" if directory is None else f" in {directory}"
    raise NoDemo(f"no demo is running{where}; start one in another terminal: ./run demo")


def _lives(path: Path) -> Whereabouts | None:
    """What the file says, None when that is nothing or of a demo that is gone."""
    try:
        here = msgspec.json.decode(path.read_bytes(), type=Whereabouts)
        os.kill(here.pid, 0)  # asks only whether it lives
    except (OSError, msgspec.MsgspecError):
        return None
    return here


def _copy(here: Whereabouts) -> Path:
    return _run_folder() / f"demo-{here.pid}.json"


def _well_known() -> list[Path]:
    """Every demo's copy, the newest first."""
    return sorted(_run_folder().glob("demo-*.json"), key=_written_ns, reverse=True)


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # of a demo that has just ended
        return 0


def _run_folder() -> Path:
    run = os.environ.get("XDG_RUNTIME_DIR")
    return (Path(run) if run else Path.home() / ".local" / "state") / "zaalsleutel"
