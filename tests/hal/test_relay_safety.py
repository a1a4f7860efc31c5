"""The relay lets go: what software can show of it, with real processes on a board of each kind.

`strict` takes a dead process's lines back, as a kernel with `dtparam=strict_gpiod`; `persisting` keeps driven outputs,
as a stock Raspberry Pi kernel. docs/bench.md says which rule is shown where, and what only a bench can show.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest

from simulator.pins import SOCKET_VARIABLE, VirtualBoard
from tests.hal.bench import eventually

LINE = 17
HOLD = """
import sys, threading, time
from hal.lock_gpio import GpioLock, Settings
from hal.pins import Board
lock = GpioLock(Settings(pin=17), Board("virtual"))
lock.release(10)
print("released", flush=True)
"""
WAIT = "time.sleep(60)\n"
CONFIG = """
[door]
id = "hall-1"
data = "data"
sockets = "run"
[gpio]
factory = "virtual"
[lock]
driver = "gpio"
pin = 17
[clock]
driver = "host"
[keypads.outside]
driver = "serial"
device = "/dev/ttyUSB0"
"""


@pytest.fixture(params=["strict", "persisting"])
def kind(request):
    return request.param


@pytest.fixture
def board(kind, tmp_path) -> Iterator[VirtualBoard]:
    board = VirtualBoard(tmp_path / "pins.sock", persist_outputs=kind == "persisting")
    yield board
    board.close()


@contextmanager
def holder(folder: Path, after: str = WAIT) -> Iterator[subprocess.Popen[str]]:
    """A process that has just released the lock for 10 s."""
    environment = {**os.environ, SOCKET_VARIABLE: str(folder / "pins.sock")}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD + after],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "released\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def secure(folder: Path) -> None:
    """What `ExecStopPost=` runs."""
    config = folder / "door.toml"
    config.write_text(CONFIG)
    environment = {**os.environ, SOCKET_VARIABLE: str(folder / "pins.sock")}
    command = [sys.executable, "-m", "zaalsleutel", "door", "secure", "--config", str(config)]
    subprocess.run(command, env=environment, check=True, timeout=60)


def test_after_sigkill_strict_gpiod_or_the_stop_post_command_lets_go(board, kind, tmp_path):
    with holder(tmp_path) as process:
        assert eventually(lambda: board.high(LINE))
        process.kill()
        process.wait()
        if kind == "strict":
            assert eventually(lambda: not board.high(LINE))
        else:
            sleep(0.2)
            assert board.high(LINE), "this kernel holds on, which is why the command is needed"
        secure(tmp_path)
        assert eventually(lambda: not board.high(LINE))
        assert [change.high for change in board.history(LINE)] == [True, False], "no pulse from securing"


def test_a_stopped_process_holds_until_its_watchdog_kills_it(board, kind, tmp_path):
    """SIGSTOP stops the lease's timer with everything else: nothing inside the process can help. The watchdog's SIGKILL
    reaches a stopped process too, and then it is as above."""
    with holder(tmp_path, "lock.release(0.3)\n" + WAIT) as process:
        assert eventually(lambda: board.high(LINE))
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        stopped_while_released = board.high(LINE)
        sleep(0.6)
        assert board.high(LINE) == stopped_while_released
        process.send_signal(signal.SIGKILL)
        process.wait()
        secure(tmp_path)
        assert eventually(lambda: not board.high(LINE))


def test_a_process_that_goes_on_after_sigstop_lets_go_at_once(board, tmp_path):
    with holder(tmp_path, "lock.release(0.3)\n" + WAIT) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        sleep(0.4)
        process.send_signal(signal.SIGCONT)
        assert eventually(lambda: not board.high(LINE))


@pytest.mark.parametrize(
    "ending",
    [
        "raise RuntimeError('in the main thread')\n",
        "sys.exit(3)\n",
        "import signal, os; signal.signal(15, lambda *_: sys.exit()); os.kill(os.getpid(), 15); time.sleep(60)\n",
        # A shell's background jobs are born deaf to it.
        "import signal, os; signal.signal(2, signal.default_int_handler); os.kill(os.getpid(), 2); time.sleep(60)\n",
    ],
    ids=["exception", "exit", "SIGTERM", "SIGINT"],
)
def test_every_ordinary_end_of_the_process_secures(board, tmp_path, ending):
    with holder(tmp_path, ending) as process:
        process.wait(timeout=30)
        assert eventually(lambda: not board.high(LINE))


def test_an_exception_in_another_thread_leaves_the_lease_running(board, tmp_path):
    """The thread dies, the timer does not; in the controller such an exception travels to the loop and ends it."""
    fails = "threading.Thread(target=lambda: 1 / 0).start()\nlock.release(0.5)\n"
    with holder(tmp_path, fails + WAIT) as process:
        assert eventually(lambda: not board.high(LINE))
        assert process.poll() is None


def test_the_next_process_drops_what_a_killed_one_left_released(board, kind, tmp_path):
    """A restart is also how a configuration is read again: there is no reload while the lock may be released."""
    with holder(tmp_path) as first:
        first.kill()
        first.wait()
        if kind == "persisting":
            assert eventually(lambda: board.high(LINE))
    with holder(tmp_path, "lock.secure()\nprint('secured', flush=True)\n" + WAIT) as second:
        assert second.stdout is not None
        second.stdout.readline()
        # The board hears over a socket: the second process may have said so before the board has read it.
        wanted = [True, False, True, False]
        assert eventually(lambda: [change.high for change in board.history(LINE)] == wanted), (
            "off before its own release"
        )
