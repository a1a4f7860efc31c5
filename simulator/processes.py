"""Child processes that are watched: each with its own log file, none left behind.

    with Processes(logs) as processes:
        hub = processes.start("hub", ["-m", "zaalsleutel", "hub", "serve"])
        processes.wait_until(answers, 10, "the hub to answer")    # raises ChildDied as soon as a child has gone
        hub.kill(); hub.start()                                   # as a power cut would

A child ends with us, however we end: the kernel sends it SIGKILL when its parent is gone. It is in a session of its
own, so that Ctrl-C in the terminal reaches us alone and we end the children in our order.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Final

END_S: Final = 10.0
"""A child that has not obeyed SIGTERM by then is killed."""
POLL_S: Final = 0.03
LOG_LINES: Final = 15
# setpriv (util-linux, in every Debian) sets the parent-death signal and becomes the program: same process id.
DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL", "--")


class ChildDied(Exception):
    """A child ended though nobody told it to; the text has its last log lines."""


class NotInTime(Exception):
    """What was waited for did not happen."""


class Child:
    """One program. `command` is given to the operating system as it is, `environment` is added to our own."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = [*DIES_WITH_US, *command]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Raises ValueError while it is not meant to run."""
        if self._process is None:
            raise ValueError(f"{self.name} was not started")
        return self._process.pid

    @property
    def started(self) -> bool:
        """Whether it is meant to run."""
        return self._process is not None

    def start(self) -> None:
        """Start it, its output added to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL: as if the power went. Returns when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, SIGKILL after `END_S`. Returns when it is gone; nothing happens to one that is not running."""
        self._end(signal.SIGTERM)

    def hang_up(self) -> None:
        """SIGHUP: read your files again. Nothing happens to one that is not running."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def check(self) -> None:
        """Raises ChildDied when it should run and does not."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise ChildDied(f"{self.name} ended by itself ({_ending(status)}). Its last words:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log, indented."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES:] or ["(nothing)"])

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Processes:
    """All children of one demo."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start a child and watch it from now on. Its log is `<name>.log`."""
        child = Child(name, command, environment or {}, self._logs / f"{name}.log")
        self._children.append(child)
        child.start()
        return child

    def check(self) -> None:
        """Raises ChildDied when any child has gone that should be there."""
        for child in self._children:
            child.check()

    def pids(self) -> dict[str, int]:
        """The process of each child that is meant to run, by its name."""
        return {child.name: child.pid for child in self._children if child.started}

    def wait_until(self, come_true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for something that our children bring about. OSError counts as not yet: nobody answers so far.
        Raises NotInTime or ChildDied."""
        deadline_s = monotonic() + within_s
        while not _now(come_true):
            self.check()
            if monotonic() >= deadline_s:
                raise NotInTime(f"waited {within_s:g} s in vain for {what}")
            sleep(POLL_S)

    def stop(self) -> None:
        """End every child, the youngest first."""
        while self._children:
            self._children.pop().stop()


def run_to_end(command: Sequence[str], within_s: float) -> tuple[int, str, str]:
    """Run a command that ends by itself: exit status, standard output, standard error. It is gone when this returns
    or raises, also by Ctrl-C. Raises subprocess.TimeoutExpired."""
    process = subprocess.Popen(
        [*DIES_WITH_US, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = process.communicate(timeout=within_s)
        return process.returncode, said, complained
    finally:
        process.kill()
        process.wait()


def _now(come_true: Callable[[], bool]) -> bool:
    try:
        return come_true()
    except OSError:
        return False


def _ending(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
