"""`zaalsleutel door commission`: the terminal's end of bringing a door into service.

The running unit does the trying, hears the keys and writes the record; here somebody reads what is asked, and answers
what a keypad could not: a unit that has none, or whose keypad is what is broken.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from rich.console import Console

from controller.admin_client import Admin
from controller.display.catalogue import Refusal, catalogues
from controller.formats.code_list import Language
from controller.formats.messages import Commissioning, Guide

LOOK_S = 0.3
OVER = frozenset({"passed", "failed", "abandoned"})
NOT_BEGUN = "the door is in service, or locked down: begin at its keypad, with #2 and a staff code"


def commission(sockets: Path, console: Console, language: Language, typed: Callable[[float], str | None]) -> bool:
    """Go through every step with whoever is at the terminal; whether the door passed. `typed` waits that many seconds
    for a line. Raises OSError when the unit does not answer, or Refused."""
    with Admin(sockets) as unit:
        state = unit.commission("look")
        if _over(state):
            state = unit.commission("begin")
        if state.guide is None or _over(state):
            console.print(NOT_BEGUN)
            return False
        told: Guide | None = None
        while state.guide is not None and not _over(state):
            if told != state.guide:
                told = state.guide
                _tell(console, told, catalogues()[language].guide[told.step])
            line = typed(LOOK_S)
            # Also before a line: the door may have gone on since it was asked, and a length ends otherwise than a key.
            state = unit.commission("abandon" if line == "stop" else "look")
            is_length = state.guide is not None and state.guide.kind == "number"
            for symbol in (line or "") + ("#" if line and is_length else ""):
                if symbol in "0123456789*#":
                    state = unit.commission("press", symbol)
        return _result(console, state, language)


def _over(state: Commissioning) -> bool:
    return state.guide is None or state.guide.step in OVER


def _tell(console: Console, guide: Guide, words: Refusal) -> None:
    console.print(f"[bold]{guide.place}/{guide.of}  {words.title}[/bold]", highlight=False)
    left = f"  [dim]({' '.join(guide.left)})[/dim]" if guide.left else ""
    console.print(f"     {words.hint}{left}", highlight=False)


def _result(console: Console, state: Commissioning, language: Language) -> bool:
    step = state.guide.step if state.guide else "abandoned"
    words = catalogues()[language].guide[step]
    console.print(f"[bold]{words.title}[/bold]: {words.hint}", highlight=False)
    for name in state.short:
        if name in catalogues()[language].guide:
            console.print(f"  - {name}: {catalogues()[language].guide[name].title}", highlight=False)
        else:
            console.print(f"  - {name}")
    return step == "passed"


def line_from_stdin(seconds: float) -> str | None:
    """The next line somebody typed, without its end, or None when there is none yet. Raises EOFError at its end."""
    until = monotonic() + seconds
    readable, _, _ = select.select([sys.stdin], [], [], max(0.0, until - monotonic()))
    if not readable:
        return None
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


@contextmanager
def given_up(sockets: Path) -> Iterator[None]:
    """Whoever leaves in the middle leaves no keypad behind that takes no codes."""
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        with Admin(sockets) as unit:
            unit.commission("abandon")
        raise
