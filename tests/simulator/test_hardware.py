"""The virtual door, moved through its control socket and watched by real drivers."""

import json
import os
import signal
import subprocess
import sys
from threading import Thread
from time import monotonic

import cv2
import msgspec
import numpy as np
import pytest

from hal import camera_opencv, input_gpio, keypad_serial, light_gpio, lock_gpio
from hal.pins import Board
from simulator.control import HardwareClient, HardwareRefused
from simulator.hardware import LINES, CableConfig, HardwareConfig, VirtualDoor, main
from simulator.pins import VirtualFactory
from tests.hal.bench import eventually


@pytest.fixture
def door(tmp_path):
    door = VirtualDoor(
        HardwareConfig(
            pins_socket=str(tmp_path / "pins.sock"),
            control_socket=str(tmp_path / "control.sock"),
            keypad=str(tmp_path / "keypad"),
            lines=LINES | {"tamper": 25, "housing": 26, "buzzer": 27},
            cable=CableConfig(target_port=9),
        )
    )
    yield door
    door.close()


@pytest.fixture
def hardware(door, tmp_path):
    with HardwareClient(tmp_path / "control.sock") as client:
        yield client


@pytest.fixture
def board(door, tmp_path):
    board = Board.around(VirtualFactory(tmp_path / "pins.sock"))
    yield board
    board.close()


@pytest.fixture
def lock(board):
    lock = lock_gpio.open(lock_gpio.Settings(pin=17), board)
    yield lock
    lock.close()


@pytest.fixture
def contact(board):
    contact = input_gpio.open(input_gpio.Settings(pin=23, active="high", debounce_ms=5), board)
    yield contact
    contact.close()


def test_a_locked_leaf_does_not_open_by_pushing(hardware, lock, contact):
    assert hardware.push() == "locked"
    assert not contact.active


def test_a_released_leaf_opens_and_the_contact_tells(hardware, lock, contact):
    lock.release(5)
    assert hardware.push(wait_s=5) == "opened"
    assert eventually(lambda: contact.active)
    assert hardware.push() == "open already"
    hardware.close_leaf()
    assert eventually(lambda: not contact.active)
    assert contact.read() == [True, False]


def test_who_leans_on_the_leaf_gets_in_when_it_is_released(hardware, lock):
    results = []
    leaning = Thread(target=lambda: results.append(hardware.push(wait_s=10)))
    leaning.start()
    lock.release(1)
    leaning.join(10)
    assert results == ["opened"]


def test_force_opens_what_is_locked(hardware, lock, contact):
    assert hardware.push(force=True) == "forced"
    assert eventually(lambda: contact.active)


def test_the_inside_handle_always_opens(hardware, lock, contact):
    hardware.pull_inside()
    assert eventually(lambda: contact.active)
    assert not lock.released


def test_relay_pulses_are_on_record(hardware, lock):
    before_s = monotonic()
    lock.release(0.1)
    assert eventually(lambda: hardware.state()["relay"])
    assert eventually(lambda: not hardware.state()["relay"])
    ((on_s, off_s),) = hardware.state()["pulses"]
    assert before_s <= on_s < off_s <= monotonic()
    assert off_s - on_s >= 0.09
    assert [high for _, high in hardware.history("lock")] == [True, False]


def test_the_exit_button_and_named_switches_are_inputs(hardware, board):
    button = input_gpio.open(input_gpio.Settings(pin=24, debounce_ms=5), board)
    tamper = input_gpio.open(input_gpio.Settings(pin=25, active="high", debounce_ms=5), board)
    hardware.exit_button(0.1)
    assert eventually(lambda: not button.active and button.read() == [True, False])
    assert not tamper.active
    hardware.switch("tamper", closed=False)
    assert eventually(lambda: tamper.active)
    button.close()
    tamper.close()


def test_the_led_can_be_seen(hardware, board):
    light = light_gpio.open(light_gpio.Settings(pin=22), board)
    light.show("granted")
    assert eventually(lambda: hardware.state()["lines"]["led"])
    light.close()
    assert eventually(lambda: not hardware.state()["lines"]["led"])


def test_keys_arrive_and_the_keypad_can_be_unplugged(hardware, tmp_path):
    keypad = keypad_serial.open(keypad_serial.Settings(device=str(tmp_path / "keypad")))
    hardware.keys("482913#", interval_s=0)
    typed: list[str] = []

    def all_typed() -> bool:
        typed.extend(keypad.read())
        return len(typed) == 7

    assert eventually(all_typed)
    assert "".join(typed) == "482913#"
    keypad.close()
    hardware.do("plug_keypad", plugged=False)
    with pytest.raises(HardwareRefused, match="unplugged"):
        hardware.keys("1")
    hardware.do("plug_keypad", plugged=True)
    hardware.keys("1")


def test_a_picture_is_held_up_as_file_or_as_bytes(hardware, door, tmp_path):
    white = cv2.imencode(".png", np.full((300, 300), 255, np.uint8))[1].tobytes()
    (tmp_path / "white.png").write_bytes(white)
    camera = camera_opencv.open(camera_opencv.Settings(source=door.stream.url))

    def brightest() -> int:
        frame = camera.read(5.0)
        return 0 if frame is None else int(frame.max())

    for image in (tmp_path / "white.png", white):
        hardware.show(image)
        assert eventually(lambda: brightest() > 200)
        hardware.hide()
        assert eventually(lambda: brightest() < 200)
    hardware.show(white, seconds=0.2)
    assert hardware.state()["showing"]
    assert eventually(lambda: not hardware.state()["showing"])
    camera.close()


def test_the_cable_is_cut_and_mended(hardware):
    hardware.cut()
    assert hardware.state()["cable"] is False
    hardware.mend()
    assert hardware.state()["cable"] is True


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"verb": "open_sesame"}, "no verb"),
        ({"verb": "push", "hard": True}, "hard"),
        ({"verb": "switch", "name": "contact", "closed": True}, "follows the leaf"),
        ({"verb": "switch", "name": "nothing", "closed": True}, "nothing"),
        ({"verb": "show"}, "image"),
        ({"verb": "show", "image": "/nonexistent.png"}, "nonexistent"),
        ({"verb": "show", "image_base64": "bm90IGEgcGljdHVyZQ=="}, "not a picture"),
        ({"verb": "show", "image_base64": "%"}, "Base64"),
        ({"verb": "keys", "keys": "1" * 5000}, "4096"),
        ({"verb": "exit_button", "seconds": 3600}, "press"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason_and_the_socket_lives(hardware, request_, why):
    with pytest.raises(HardwareRefused, match=why):
        hardware.do(**request_)
    assert hardware.state()["leaf"] == "closed"


def test_lines_are_checked():
    base = {"pins_socket": "p", "control_socket": "c", "keypad": "k"}
    with pytest.raises(msgspec.ValidationError, match="twice"):
        msgspec.convert(base | {"lines": LINES | {"buzzer": 17}}, HardwareConfig)
    with pytest.raises(msgspec.ValidationError, match="exit_button"):
        msgspec.convert(base | {"lines": {"lock": 17, "contact": 23}}, HardwareConfig)


def test_the_command_refuses_a_configuration_it_does_not_know(tmp_path, capsys):
    (tmp_path / "door.toml").write_text('pins_socket = "p"\ncontrol_socket = "c"\nkeypad = "k"\nwindow = "open"\n')
    with pytest.raises(SystemExit):
        main(["--config", str(tmp_path / "door.toml")])
    assert "window" in capsys.readouterr().err


def test_runs_as_a_process_and_ends_on_sigterm(tmp_path):
    command = [sys.executable, "-m", "simulator.hardware", "--directory", str(tmp_path), "--line", "buzzer=27"]
    with subprocess.Popen([*command, "--cable-to", "127.0.0.1:9"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert addresses["cable_port"] > 0
        with HardwareClient(addresses["control_socket"]) as client:
            assert client.state()["lines"]["buzzer"] is False
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
