"""`zaalsleutel sim demo`: run the demo for a person, or play the story and say whether it came true.

Exit status: 0 the story came true, or the demo was ended by Ctrl-C or SIGTERM; 1 something failed, and it says what;
2 a folder that was named cannot be used; 130 a story was interrupted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator import evidence, whereabouts
from simulator.broker import NoBroker
from simulator.cheat_sheet import cheat_sheet
from simulator.demo import Demo, StartFailed
from simulator.demo_files import Folders, PathTooLong, Rules
from simulator.processes import ChildDied, NotInTime
from simulator.story import Line, Story
from simulator.virtual_door import VirtualDoorPage

INTERRUPTED = 130
UNUSABLE = 2
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
"""Without either the only browser there may be is one for the terminal, which the demo has already."""
STORY_RULES = Rules(release_s=2)  # the story waits for the lock to lock again
LOOK_S = 0.5

out, err = Console(), Console(stderr=True)


def run_demo(*, story: bool, keep: Path | None, directory: Path | None, as_json: bool) -> int:
    """Everything behind `zaalsleutel sim demo`; returns the exit status."""
    try:
        refused = _not_to_be_used(story, keep, directory)
    except PathTooLong as error:
        return _fail(str(error))
    if refused is not None:
        return _fail(*refused)
    lost: list[str] = []
    status = _run(story=story, keep=keep, directory=directory, as_json=as_json, lost=lost)
    return _fail(f"not everything could be kept: {lost[0]}") if lost else status


def _run(*, story: bool, keep: Path | None, directory: Path | None, as_json: bool, lost: list[str]) -> int:
    """The demo from start to end; `lost` takes what could not be kept."""
    try:
        with _signals_interrupt(), ExitStack() as ending:
            demo = _prepare(ending, directory, STORY_RULES if story else Rules())
            _start(demo, quiet=as_json)
            if keep is not None:
                ending.callback(_keep, demo, keep, lost)
            ending.callback(_be_left_alone)
            if story:
                return 0 if _play(demo, as_json) else 1
            _stay(ending, demo, as_json)
    except KeyboardInterrupt:
        return INTERRUPTED if story else 0
    except (ChildDied, NotInTime, StartFailed, NoBroker, PathTooLong, OSError) as error:
        return _fail(str(error))


def _prepare(ending: ExitStack, directory: Path | None, rules: Rules) -> Demo:
    """A demo that ends with `ending`, its folder after it."""
    if directory is None:
        directory = Path(tempfile.mkdtemp(prefix="zs-"))
        ending.callback(shutil.rmtree, directory, ignore_errors=True)
    demo = ending.enter_context(Demo(directory, rules))
    ending.callback(_be_left_alone)
    return demo


def _start(demo: Demo, *, quiet: bool) -> None:
    with err.status("starting") as spinner:

        def tell(step: str) -> None:
            if err.is_terminal:
                spinner.update(step)
            elif not quiet:
                err.print(f"demo: {step}")

        demo.start(tell)


def _play(demo: Demo, as_json: bool) -> bool:
    started_s = monotonic()
    story = Story(demo)
    lines: list[Line] = []
    with Live(_table(lines), console=err if as_json else out, auto_refresh=False, transient=as_json) as live:
        for line in story.play():
            lines.append(line)
            live.update(_table(lines), refresh=True)
    if not live.console.is_terminal:
        live.console.print()  # off a terminal, Live leaves the last line open
    ok = all(line.ok for line in lines)
    seconds = round(monotonic() - started_s, 1)
    if as_json:
        told = {"ok": ok, "seconds": seconds, "lines": [asdict(line) for line in lines]}
        print(json.dumps({**told, "reservations": story.reservations}))
    else:
        out.print(f"every line came true, in {seconds} s" if ok else "[bold]the story did not come true[/]")
    return ok


def _stay(ending: ExitStack, demo: Demo, as_json: bool) -> NoReturn:
    """Run until interrupted. Raises ChildDied when a process goes."""
    here = demo.whereabouts()
    whereabouts.publish(here)
    ending.callback(whereabouts.withdraw, here)
    if as_json:
        print(msgspec.json.encode(here).decode(), flush=True)
    else:
        page = ending.enter_context(VirtualDoorPage(demo))
        out.print(cheat_sheet(here, page.url))
        if err.is_terminal and any(map(os.environ.get, SCREENS)):
            webbrowser.open(page.url)
    while True:
        demo.check()
        sleep(LOOK_S)


def _keep(demo: Demo, folder: Path, lost: list[str]) -> None:
    """Runs while the demo is still up, whatever became of it."""
    try:
        evidence.keep(demo, folder)
    except (StartFailed, OSError) as error:
        lost.append(str(error))


def _not_to_be_used(story: bool, keep: Path | None, directory: Path | None) -> tuple[str, int] | None:
    """What is wrong with the folders, said now and not after the story; and the exit status. Raises PathTooLong."""
    if directory is not None:
        Folders(directory)  # before it is made
        if why := _unusable(directory):
            return why, UNUSABLE
        if story and any(directory.iterdir()):
            return f"{directory} is not empty, and a story needs a fresh start", 1
    if keep is not None and (why := _unusable(keep)):
        return why, UNUSABLE
    return None


def _unusable(folder: Path) -> str | None:
    """Why nothing can be written into this folder, which is made where it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except FileExistsError:
        return f"{folder} is no folder"
    except OSError as error:
        return f"{folder} cannot be used: {(error.strerror or str(error)).lower()}"


def _table(lines: list[Line]) -> Table:
    table = Table(title="One reservation, from the call to the record of who came")
    table.add_column("step")
    table.add_column("what happened", overflow="fold")
    table.add_column("ok", justify="center")
    table.add_column("s", justify="right")
    for line in lines:
        sign = Text("yes", "green") if line.ok else Text("NO", "bold red")
        table.add_row(Text(line.step), Text(line.happened), sign, f"{line.seconds:.1f}")
    return table


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal end us the way Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _be_left_alone() -> None:
    """From here on everything is being ended, and a second Ctrl-C would leave some of it behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _fail(text: str, status: int = 1) -> int:
    err.print(f"demo: {text}", markup=False, highlight=False, soft_wrap=True)
    return status
