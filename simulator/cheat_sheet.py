"""What a person at the prompt can do with a running demo: addresses, and commands to copy and paste."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Final

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.whereabouts import Whereabouts

SIM: Final = "zaalsleutel sim"
IN_A_CLONE: Final = "./run sim"  # where nobody put the command on the path
COMMANDS: Final = (
    ("reserve", "make a reservation from now on; prints its PIN and QR"),
    ("keys 1234567", "type a PIN"),
    ("push --wait 5", "push the leaf, leaning on it for 5 s"),
    ("close", "let the leaf fall shut"),
    ("show QR.png --seconds 2", "hold a QR up to the camera"),
    ("exit-button", "press the button inside"),
    ("inside", "use the handle inside"),
    ("cut", "cut the network cable"),
    ("mend", "mend it again"),
    ("events", "what the hub knows"),
    ("status", "how the door is, by its own word"),
    ("state", "relay, leaf, cable as seen from outside"),
    ("cancel REF", "cancel a reservation"),
)


def sim() -> str:
    """What to type before a command of `COMMANDS`, here and now."""
    return SIM if shutil.which(SIM.split()[0]) else IN_A_CLONE


def cheat_sheet(here: Whereabouts, page: str) -> RenderableType:
    """For the terminal the demo was started in."""
    hub = f"http://127.0.0.1:{here.hub_port}"
    addresses = (
        ("the virtual door", page),
        ("hub API", f"{hub}/v1/reservations/…"),
        ("API documentation", f"{hub}/docs"),
        ("bearer token", here.token),
        ("broker", f"mqtts://127.0.0.1:{here.broker_port} (client certificates in {here.directory}/hub/tls)"),
        ("logs", f"{here.directory}/logs"),
    )
    return Group(
        Text(f"Door {here.door} of room {here.room} works.", style="bold"),
        _rows(addresses),
        Text("In another terminal, in this folder:", style="bold"),
        _rows((f"{sim()} {command}", meaning) for command, meaning in COMMANDS),
        Text("Ctrl-C ends everything."),
    )


def _rows(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(name), Text(text))
    return table
