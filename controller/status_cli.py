"""`zaalsleutel door status`: everything a person wants to know of a unit on one screen, once or live."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import NoReturn

import msgspec
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from controller.admin_client import ask_status, watch
from controller.explain import YEAR_10000_S
from controller.formats.errors import Refused
from controller.formats.messages import PublicState, Status

LOOK_S = 0.5
DAY_S = 86_400
GOOD, WARN, BAD = "green", "yellow", "bold red"
Row = tuple[str, str, str | None]  # what, value, style


def picture(status: Status, public: PublicState | None) -> RenderableType:
    """One screen. What is wrong stands on top and in words; colour only repeats it."""
    return Group(
        _headline(status, public),
        Columns(
            [
                _panel("At the door", _at_the_door(status, public)),
                _panel("Time and trust", _time_and_trust(status)),
                _panel("List", _list(status)),
                _panel("Records and link", _records(status)),
            ],
            equal=True,
        ),
    )


def live(sockets: Path, console: Console) -> None:
    """Until Ctrl-C. A unit that goes away is told and waited for. Raises OSError when it never answered."""
    last = once(sockets)
    with Live(last, console=console, auto_refresh=False, screen=console.is_terminal) as screen:
        while True:
            sleep(LOOK_S)
            try:
                last = once(sockets)
                screen.update(last, refresh=True)
            except (OSError, Refused) as error:
                gone = Text(f"NO ANSWER from the unit: {error}. What it said last:", BAD)
                screen.update(Group(gone, last), refresh=True)


def stream(sockets: Path, say: Callable[[Status], None]) -> NoReturn:
    """Every status that says more than another time, until Ctrl-C. Raises OSError or Refused for no answer."""
    told: Status | None = None
    while True:
        status = ask_status(sockets)
        if told is None or msgspec.structs.replace(told, at=status.at) != status:
            say(status)
            told = status
        sleep(LOOK_S)


def once(sockets: Path) -> RenderableType:
    """The picture of now. Raises OSError or Refused when the unit does not answer."""
    return picture(ask_status(sockets), _shown(sockets))


def _shown(sockets: Path) -> PublicState | None:
    """What the screen is told now; the door tells a newcomer at once, or within a turn of its loop. None where whoever
    asks may not look there."""
    try:
        return next(watch(sockets, 1.5), None)
    except OSError:
        return None


def _headline(status: Status, public: PublicState | None) -> Text:
    faults = ", ".join(status.faults)
    room = f" ({public.room})" if public and public.room else ""
    line = Text(f"Door {status.door}{room}   {_utc(status.at // 1000)}   ", "bold")
    return line.append(f"FAULTS: {faults}" if faults else "no faults", BAD if faults else GOOD)


def _at_the_door(status: Status, public: PublicState | None) -> list[Row]:
    rows: list[Row] = [
        ("lock", "released" if status.released else "secured", WARN if status.released else GOOD),
        ("leaf", _leaf(status), WARN if status.leaf_open else None),
        ("posture", status.posture, None if status.posture == "controlled" else WARN),
        ("commissioned", "yes" if status.in_service else "no", None if status.in_service else WARN),
        ("PIN tries left", str(status.tries), None if status.tries else BAD),
        ("grants inside", str(status.inside), None),
    ]
    if public is not None:
        answer = " ".join(filter(None, (public.shown, public.reason)))
        rows.append(("shows", f"{answer}, {public.digits} digits typed" if public.digits else answer, None))
        rows.append(("room", _room(public), None))
    return rows


def _leaf(status: Status) -> str:
    if status.leaf_open is None:
        return "not known"
    return "open" if status.leaf_open else "closed"


def _room(public: PublicState) -> str:
    if not public.bookings:
        return "not known"
    return "free" if public.occupied_until is None else f"in use until {_utc(public.occupied_until)}"


def _time_and_trust(status: Status) -> list[Row]:
    trusted = status.clock in {"synced", "holdover"}
    return [
        ("clock", status.clock, GOOD if trusted else BAD),
        ("trust document", f"version {status.trust_version}" if status.trust_version else "none", None),
    ]


def _list(status: Status) -> list[Row]:
    if status.list_version is None or status.valid_until is None:
        return [("list", "none: every code is refused", BAD)]
    left_s = status.valid_until - status.at // 1000
    style = BAD if left_s <= 0 else WARN if left_s < 7 * DAY_S else None
    return [
        ("version", str(status.list_version), None),
        ("hash", (status.list_hash or "")[:16], None),
        ("grants", str(status.grants), None),
        ("valid until", _utc(status.valid_until), style),
        ("days left", f"{max(0, left_s) / DAY_S:.1f}", style),
    ]


def _records(status: Status) -> list[Row]:
    return [
        ("broker", "linked" if status.linked else "not linked", GOOD if status.linked else WARN),
        ("log", status.log, None),
        ("newest record", str(status.seq), None),
        ("signed for by hub", str(status.receipt_seq), None),
        ("waiting", str(status.unsent), WARN if status.unsent else None),
    ]


def _panel(title: str, rows: list[Row]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for what, value, style in rows:
        table.add_row(what, Text(value, style or ""))
    return Panel(table, title=title, title_align="left")


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, YEAR_10000_S - 1), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
