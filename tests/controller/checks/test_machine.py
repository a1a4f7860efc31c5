"""The machine around the unit."""

import pytest

from controller.checks import machine
from controller.config import Config
from tests.controller.checks.machine_root import KEYBOARD, POWER_BUTTON, healthy, put


@pytest.fixture
def root(tmp_path):
    return healthy(tmp_path)


def config(**more):
    tables = {
        "door": {"id": "hall-1", "data": "data", "sockets": "run"},
        "lock": {"driver": "gpio", "pin": 17},
        "clock": {"driver": "linux"},
    }
    return Config({**tables, **more})


def colours(root, **more):
    return {finding.check: finding.colour for finding in machine.machine(config(**more), root)}


def test_a_healthy_machine_is_green(root):
    assert set(colours(root).values()) == {"green"}


def test_virtual_hardware_is_amber(root):
    assert colours(root, gpio={"factory": "virtual"})["gpio"] == "amber"


@pytest.mark.parametrize(
    ("path", "text", "check", "colour"),
    [
        ("sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "Y\n", "strict_gpiod", "red"),
        ("sys/module/pinctrl_rp1/parameters/persist_gpio_outputs", "Y\n", "strict_gpiod", "red"),
        ("sys/class/rtc/rtc0/since_epoch", "", "clock chip", "red"),
        ("sys/bus/usb/devices/usb2/authorized_default", "1\n", "usb", "amber"),
        ("proc/bus/input/devices", POWER_BUTTON + "\n" + KEYBOARD, "second keyboard", "red"),
        ("proc/self/mounts", "/dev/mmcblk0p2 / ext4 rw 0 0\n", "root", "amber"),
        ("etc/overlayroot.local.conf", 'overlayroot=""\n', "root", "green"),
        ("etc/passwd", "pi:x:1000:1000::/:/bin/bash\n", "default account", "amber"),
        ("etc/passwd", "pi:x:1000:1000::/:/usr/sbin/nologin\n", "default account", "green"),
    ],
)
def test_what_is_wrong_has_its_colour(root, path, text, check, colour):
    put(root, path, text)
    assert colours(root)[check] == colour


def test_a_pi_that_does_not_tell_is_amber(tmp_path):
    assert machine.strict_gpiod(tmp_path).colour == "green", "upstream kernels let go"
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.5\0")
    assert machine.strict_gpiod(tmp_path).colour == "amber"


def test_the_clock_of_a_demo_is_amber(root):
    assert colours(root, clock={"driver": "host"})["clock chip"] == "amber"


def test_a_machine_without_a_chip_is_red(tmp_path):
    assert machine.clock_chip(tmp_path).colour == "red"


def test_the_units_own_keypad_is_no_second_keyboard(root):
    put(root, "proc/bus/input/devices", KEYBOARD)
    pad = {
        "driver": "usb",
        "device": "/dev/input/by-path/platform-usb-0:1.1:1.0-event-kbd",
        "vendor": 0x046D,
        "product": 0xC31C,
    }
    assert colours(root, keypads={"outside": pad})["second keyboard"] == "green"


def test_a_device_that_can_type_digits_is_told_from_one_with_a_button():
    assert machine.typing_devices(POWER_BUTTON + "\n" + KEYBOARD) == [("Logitech USB Keyboard", (0x046D, 0xC31C))]


def test_everything_that_is_not_green_says_what_to_do(tmp_path):
    for finding in machine.machine(config(gpio={"factory": "virtual"}), tmp_path):
        assert finding.colour == "green" or finding.do
