"""The virtual board and its pin factory: plain gpiozero devices on one end, switches and a meter on the other."""

import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points

import gpiozero
import pytest

from simulator.pins import VirtualBoard, VirtualFactory
from tests.hal.bench import eventually


@pytest.fixture
def board(tmp_path):
    board = VirtualBoard(tmp_path / "pins.sock")
    yield board
    board.close()


@pytest.fixture
def factory(board, tmp_path):
    factory = VirtualFactory(tmp_path / "pins.sock")
    yield factory
    factory.close()


def test_plain_gpiozero_devices_work_unmodified(board, factory):
    presses = []
    with gpiozero.LED(22, pin_factory=factory) as led, gpiozero.Button("GPIO24", pin_factory=factory) as button:
        button.when_pressed = lambda: presses.append(1)
        led.blink(0.01, 0.01, n=2, background=False)
        assert eventually(lambda: [change.high for change in board.history(22)] == [True, False, True, False])
        board.switch(24, closed=True)
        assert button.wait_for_press(5)
        board.switch(24, closed=False)
        assert button.wait_for_release(5)
    assert presses == [1]


def test_an_input_knows_its_level_when_claimed(board, factory):
    board.switch(24, closed=True)
    with gpiozero.Button(24, pin_factory=factory) as button:
        assert button.is_pressed
    with gpiozero.Button(23, pin_factory=factory) as button:
        assert not button.is_pressed


def test_gpiozeros_own_errors_come_from_the_pins(factory):
    pin = factory.pin(17)
    with pytest.raises(gpiozero.PinSetInput):
        pin.state = True
    with pytest.raises(gpiozero.PinInvalidFunction):
        pin.function = "spi"
    with pytest.raises(gpiozero.PinInvalidPull):
        pin.pull = "sideways"
    with pytest.raises(gpiozero.PinFixedPull):
        factory.pin(2).pull = "down"
    with pytest.raises(gpiozero.PinInvalidPin):
        factory.pin(99)
    with pytest.raises(gpiozero.PinPWMUnsupported):
        gpiozero.PWMLED(22, pin_factory=factory)


PROGRAM = """
import sys, time
from gpiozero import LED
from simulator.pins import VirtualFactory
led = LED(17, pin_factory=VirtualFactory(sys.argv[1]))
led.on()
time.sleep(60)
"""


@pytest.mark.parametrize("persist_outputs", [False, True])
def test_a_killed_door_lets_go_unless_the_kernel_persists_outputs(tmp_path, persist_outputs):
    path = tmp_path / "pins.sock"
    board = VirtualBoard(path, persist_outputs=persist_outputs)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)]) as door:
        assert eventually(lambda: board.high(17), within_s=30)
        os.kill(door.pid, signal.SIGKILL)
    assert eventually(lambda: not board.connected)
    assert board.high(17) is persist_outputs
    # Whoever claims the line next, claims it as an input first: the relay drops.
    factory = VirtualFactory(path)
    factory.pin(17)
    assert not board.high(17)
    factory.close()
    board.close()


def test_a_restarted_door_takes_its_lines_over(board, tmp_path):
    first, second = VirtualFactory(tmp_path / "pins.sock"), VirtualFactory(tmp_path / "pins.sock")
    gpiozero.LED(17, pin_factory=first).on()
    led = gpiozero.LED(17, pin_factory=second)
    led.on()
    first.close()
    assert eventually(lambda: board.high(17))
    assert board.high(17)
    second.close()
    assert eventually(lambda: not board.high(17))


def test_a_board_that_goes_away_is_an_os_error(board, factory):
    led = gpiozero.LED(22, pin_factory=factory)
    board.close()
    assert eventually(lambda: factory.gone)
    with pytest.raises(OSError, match=r"\w"):
        led.on()
    with pytest.raises(OSError, match=r"\w"):
        factory.pin(23)
    led.close()


def test_no_board_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=r"\w"):
        VirtualFactory(tmp_path / "nothing")


def test_the_environment_names_the_board(board, tmp_path, monkeypatch):
    monkeypatch.setenv("ZS_VIRTUAL_PINS", str(tmp_path / "pins.sock"))
    factory = VirtualFactory()
    assert eventually(lambda: board.connected)
    factory.close()


def test_gpiozero_finds_the_factory_at_its_plugin_point():
    (entry,) = entry_points(group="gpiozero_pin_factories", name="virtual")
    assert entry.load() is VirtualFactory
