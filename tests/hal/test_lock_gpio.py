"""What is particular to the GPIO lock relay, beyond the contract of the port."""

import gc
import subprocess
import sys
import threading
import weakref

import msgspec
import pytest

from hal import lock_gpio
from hal.errors import DeviceMissing, StrikeFault
from hal.lock_gpio import GpioLock, Settings
from hal.pins import Board
from simulator.pins import VirtualBoard
from tests.hal.bench import MockBench, eventually


@pytest.fixture
def mock():
    bench = MockBench()
    yield bench
    bench.board.close()


@pytest.mark.parametrize("line", range(28))
def test_only_lines_that_pull_down_at_power_on_may_drive_a_relay(line):
    if line >= 9:
        assert msgspec.convert({"pin": line}, Settings).pins() == {"pin": line}
    else:
        with pytest.raises(msgspec.ValidationError, match=r"pin"):
            msgspec.convert({"pin": line}, Settings)


def test_active_low_is_refused_unless_said_out_loud():
    with pytest.raises(msgspec.ValidationError, match="active_low_confirmed"):
        msgspec.convert({"pin": 17, "active_low": True}, Settings)
    msgspec.convert({"pin": 17, "active_low": True, "active_low_confirmed": True}, Settings)


def test_unknown_settings_are_refused():
    with pytest.raises(msgspec.ValidationError, match="pull"):
        msgspec.convert({"pin": 17, "pull": "up"}, Settings)


def test_a_confirmed_active_low_board_idles_high(mock):
    lock = GpioLock(Settings(pin=17, active_low=True, active_low_confirmed=True), mock.board)
    assert mock.high(17)
    lock.release(10)
    assert not mock.high(17)
    lock.close()


def test_a_line_in_use_is_missing(mock):
    first = GpioLock(Settings(pin=17), mock.board)
    with pytest.raises(DeviceMissing, match="GPIO 17"):
        GpioLock(Settings(pin=17), mock.board)
    first.close()


def test_when_the_timer_dies_the_relay_is_off_and_stays_off(mock, monkeypatch):
    lock = GpioLock(Settings(pin=17), mock.board)
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: died.set())

    def broken_clock() -> float:
        if threading.current_thread() is lock._timer:
            raise RuntimeError("clock is broken")
        return 0.0

    monkeypatch.setattr(lock_gpio, "monotonic", broken_clock)
    lock.release(10)
    assert died.wait(5)
    assert not mock.high(17)
    assert not lock.released
    lock._timer.join(5)
    with pytest.raises(StrikeFault, match="timer"):
        lock.release(1)
    assert not mock.high(17)
    lock.close()


def test_a_relay_that_does_not_obey_stays_released_and_is_tried_again(mock, monkeypatch):
    lock = GpioLock(Settings(pin=17), mock.board)
    attempts = []
    obey = lock._relay.off

    def stubborn() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("I/O error")
        obey()

    relay = type(lock._relay)
    monkeypatch.setattr(relay, "off", lambda _: stubborn())
    lock.release(0.01)
    assert eventually(lambda: len(attempts) >= 1)
    assert lock.released
    assert eventually(lambda: not mock.high(17))
    assert eventually(lambda: not lock.released)
    lock.close()


def test_a_failed_secure_is_told_and_the_timer_goes_on(mock, monkeypatch):
    lock = GpioLock(Settings(pin=17), mock.board)
    obey = lock._relay.off
    failing = threading.Event()
    failing.set()

    def off(_: object) -> None:
        if failing.is_set():
            raise OSError("I/O error")
        obey()

    monkeypatch.setattr(type(lock._relay), "off", off)
    lock.release(10)
    with pytest.raises(StrikeFault, match="de-energised"):
        lock.secure()
    failing.clear()
    assert eventually(lambda: not mock.high(17))
    lock.close()


def test_a_failed_release_is_told_and_switched_off_again(mock, monkeypatch):
    lock = GpioLock(Settings(pin=17), mock.board)

    def on(_: object) -> None:
        raise OSError("I/O error")

    monkeypatch.setattr(type(lock._relay), "on", on)
    with pytest.raises(StrikeFault, match="energised"):
        lock.release(0.05)
    assert eventually(lambda: not lock.released)
    lock.close()


def test_the_end_of_the_interpreter_secures(tmp_path):
    """Without a call to close, on a board that keeps outputs driven after their process."""
    board = VirtualBoard(tmp_path / "pins.sock", persist_outputs=True)
    program = (
        "from hal.lock_gpio import GpioLock, Settings; from hal.pins import Board; from simulator.pins import *;"
        f"GpioLock(Settings(pin=17), Board.around(VirtualFactory({str(tmp_path / 'pins.sock')!r}))).release(10)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert eventually(lambda: [change.high for change in board.history(17)] == [True, False])
    board.close()


def test_close_leaves_nothing_behind(mock):
    lock = GpioLock(Settings(pin=17), mock.board)
    timer, remembered = lock._timer, weakref.ref(lock)
    lock.close()
    assert not timer.is_alive()
    del lock
    gc.collect()
    assert remembered() is None, "the interpreter's exit still knows a lock that was closed"


def test_a_lock_without_a_header_says_so():
    with pytest.raises(Exception, match="no pin factory 'nowhere'"):
        GpioLock(Settings(pin=17), Board("nowhere"))
