"""`zaalsleutel display run --config door.toml`: the page for the screen at the door."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The page for the screen at the door.")

PORT = 8460


class _Door(msgspec.Struct, frozen=True):
    """`[door]`, of which only the folder of the controller's sockets matters here."""

    sockets: Annotated[str, msgspec.Meta(min_length=1)]


class _Unit(msgspec.Struct, frozen=True):
    door: _Door


@app.callback()
def _room() -> None:
    # A callback keeps the command's name in the command line while the room has one command only.
    pass


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="The unit's configuration; only [door] sockets counts.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 = any free one.")] = PORT,
) -> None:
    """Serve the page until SIGTERM. Exit 1: the configuration cannot be read or the port is taken."""
    from controller.display.controller_line import ControllerLine
    from controller.display.server import DisplayServer

    try:
        path = sockets(config) / "display.sock"
        server = DisplayServer(port)
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    line = ControllerLine(path, server.heard, server.pages, lambda: notify("WATCHDOG=1"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: line.stop())
    server.start()
    print(f"the door's page: http://127.0.0.1:{server.port}/", flush=True)
    notify("READY=1")
    listening = threading.Thread(target=line.run, name="controller")
    listening.start()
    # Joined in slices: a signal handler runs between two of them.
    while listening.is_alive():
        listening.join(0.5)
    notify("STOPPING=1")
    server.close()


def sockets(config: Path) -> Path:
    """The folder of the controller's sockets. Raises Refused `bad_config`."""
    try:
        content = config.read_bytes()
    except OSError as error:
        raise Refused("bad_config", str(config), f"cannot be read: {error.strerror}") from None
    tables = parse_toml(content, "bad_config", str(config))
    try:
        unit = msgspec.convert(tables, _Unit)
    except msgspec.ValidationError as error:
        raise Refused("bad_config", "[door] sockets", str(error)) from None
    return Path(unit.door.sockets)


def notify(state: str) -> None:
    """Say `READY=1`, `WATCHDOG=1` or `STOPPING=1` to systemd, when it started us (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        # An abstract address is written with @ and begins with a NUL.
        service_manager.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
