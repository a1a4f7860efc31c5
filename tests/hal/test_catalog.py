"""The catalog of drivers."""

import subprocess
import sys

import msgspec
import pytest

from hal import catalog, lock_gpio
from hal.errors import DriverUnavailable, UnknownDriver

EVERY_DRIVER = [(port, name) for port, drivers in catalog.DRIVERS.items() for name in drivers]


@pytest.mark.parametrize(("port", "name"), EVERY_DRIVER)
def test_every_driver_offers_strict_settings_and_open(port, name):
    driver = catalog.driver(port, name)
    config = driver.Settings.__struct_config__
    assert config.frozen
    assert config.forbid_unknown_fields
    assert callable(driver.open)


def test_pins_are_named_by_setting():
    assert catalog.pins_of(lock_gpio.Settings(pin=17)) == {"pin": 17}
    keypad = catalog.driver("keypad", "serial")
    assert catalog.pins_of(msgspec.convert({"device": "/dev/ttyUSB0"}, keypad.Settings)) == {}


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(UnknownDriver, match="lock, contact"):
        catalog.driver("door", "gpio")
    with pytest.raises(UnknownDriver, match="serial"):
        catalog.driver("keypad", "telepathy")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    for module in ("hal.keypad_serial", "hal.serial_line"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(DriverUnavailable, match="serial"):
        catalog.driver("keypad", "serial")


def test_a_door_without_a_camera_never_loads_opencv():
    program = (
        "import sys; from hal import catalog, ports;"
        "[catalog.driver(p, n) for p, d in catalog.DRIVERS.items() if p != 'camera' for n in d];"
        "assert not {'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
