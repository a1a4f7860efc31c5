"""The command: `zaalsleutel <room> ...` hands over to that room's own command line.

A room is imported when it is named and not before: the controller on a Pi Zero never loads the hub, the hub needs no
GPIO, and `--help` loads neither. That is why this file uses the standard library only.

    zaalsleutel --help                  the rooms
    zaalsleutel door run --config F     everything after the room is the room's own business
"""

import errno
import importlib
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

USAGE_ERROR = 2  # the exit status of a command line that cannot be understood, as in click and argparse
OUR_PACKAGES = frozenset({"controller", "hal", "simulator", "sync"})


class Room(NamedTuple):
    """Where a room's command line is (`module:attribute`, a Typer app), the extras it needs, and one line about it."""

    target: str
    extras: str
    summary: str


ROOMS = {
    "door": Room("controller.cli:app", "door", "the controller: run it, ask it why, make its lock safe"),
    "doctor": Room("controller.checks.cli:app", "door", "is this door unit fit for service, and what is to be done"),
    "update": Room("controller.update_cli:app", "door", "signed updates of the door unit: sign, install, status"),
    "camera": Room("controller.camera.cli:app", "door", "the process that reads QR codes at the door"),
    "display": Room("controller.display.cli:app", "door", "the page for the screen at the door"),
    "agent": Room("sync.agent.cli:app", "door", "the door's end of the link"),
    "hub": Room("sync.hub.cli:app", "hub", "the other end: issuer, collector, store and API"),
    "list": Room("sync.hub.issuing.cli:app", "hub", "make and inspect code lists"),
    "keys": Room("sync.hub.keys.ceremony_cli:app", "hub", "make keys, sign what doors believe"),
    "audit": Room("sync.hub.audit.cli:app", "hub", "verify an exported log"),
    "qr": Room("controller.camera.cli:qr_app", "door", "read QR codes from image files"),
    "sim": Room("simulator.cli:app", "door,hub", "virtual door hardware and the demo"),
}

SERVICES = {("door", "run"): "controller.service:run", ("door", "secure"): "controller.service:secure"}
"""Written out as `ROOM VERB --config FILE` these take the file's path and return the exit status, without a library for
command lines: the process stays for months. Anything else that is said about them is the room's own business."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit status, or leaves by the room's own SystemExit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where a terminal's character set lacks a letter, or a file name is no text, an escape is printed instead.
        sys.stdout.reconfigure(errors="backslashreplace")
    match list(sys.argv[1:] if arguments is None else arguments):
        case ["--help" | "-h" | "help", *_]:
            print(usage())
            return 0
        case ["--version", *_]:
            from importlib.metadata import version

            print(f"zaalsleutel {version('zaalsleutel')}")
            return 0
        case [name, *rest] if name in ROOMS:
            return enter(name, rest)
        case [name, *_]:
            return _refuse(f"no room called {name!r}; the rooms are {', '.join(ROOMS)}")
        case _:
            return _refuse(f"which room?\n\n{usage()}")


def usage() -> str:
    """The text of `zaalsleutel --help`: every room with one line."""
    width = max(map(len, ROOMS))
    rooms = "\n".join(f"  {name:{width}}  {room.summary}" for name, room in ROOMS.items())
    return (
        "Usage: zaalsleutel ROOM [ARGUMENTS]...\n\n"
        f"Rooms (zaalsleutel ROOM --help tells more):\n{rooms}\n\n"
        "Options:\n  --help     this text\n  --version  the installed version"
    )


def enter(name: str, arguments: Sequence[str]) -> int:
    """Import the room and run its command line, which normally leaves by raising SystemExit.

    A third-party package that is not installed, found out now or later inside the room, ends in one sentence that names
    the extra. A missing module of ours is a broken installation and keeps its traceback.
    """
    room = ROOMS[name]
    try:
        match list(arguments):
            case [verb, "--config", path] if (name, verb) in SERVICES:
                return int(_load(SERVICES[name, verb])(Path(path)))
        _load(room.target)(args=list(arguments), prog_name=f"zaalsleutel {name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OUR_PACKAGES:
            raise
        return _refuse(f"`{name}` needs the package {package}: pip install 'zaalsleutel[{room.extras}]'")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _refuse(f"{error.filename or 'the answer'}: no space left")
        return 1
    return 0


def _load(target: str) -> Callable[..., Any]:
    module, attribute = target.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def _refuse(reason: str) -> int:
    print(f"zaalsleutel: {reason}", file=sys.stderr)
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
