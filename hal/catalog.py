"""Which drivers there are: port name -> driver name -> module. A driver is imported when it is asked for, not before,
so a door without a camera never loads OpenCV.

To add a driver: one module with `Settings` and `open`, one line here, one line in the contract suite of its port. One
that is not ours registers its module in the entry-point group `zaalsleutel_drivers` as `<port>.<name>`; it cannot take
the name of one of these.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, cast

import msgspec

from hal.errors import DriverUnavailable, UnknownDriver
from hal.pins import Board

DRIVERS: Final[dict[str, dict[str, str]]] = {
    "lock": {"gpio": "hal.lock_gpio"},
    "contact": {"gpio": "hal.input_gpio"},
    "light": {"gpio": "hal.light_gpio", "two_colour": "hal.light_two_colour", "osdp": "hal.light_osdp"},
    "sound": {"gpio": "hal.sound_gpio", "osdp": "hal.sound_osdp"},
    "keypad": {
        "serial": "hal.keypad_serial",
        "matrix": "hal.keypad_matrix",
        "wiegand": "hal.keypad_wiegand",
        "osdp": "hal.keypad_osdp",
        "usb": "hal.keypad_usb",
    },
    "scanner": {"serial": "hal.qr_serial"},
    "camera": {"opencv": "hal.camera_opencv", "picamera2": "hal.camera_picamera2"},
    "clock": {"linux": "hal.clock_linux", "host": "hal.clock_host"},
}

GROUP: Final = "zaalsleutel_drivers"


class Driver(Protocol):
    """What every driver module offers.

    `Settings` is a frozen msgspec struct that refuses unknown names and values out of range. It MAY have
    `pins() -> dict[str, int]`: setting name -> BCM line, for the check that no line is used twice.
    """

    Settings: type[msgspec.Struct]

    def open(self, settings: Any, board: Board, /) -> Any:
        """Open the port. A driver without pins ignores `board`. Raises `DeviceMissing` or `BoardFault`."""


def driver(port: str, name: str) -> Driver:
    """The module of driver `name` for `port`. Raises `UnknownDriver` or `DriverUnavailable`."""
    if port not in DRIVERS:
        raise UnknownDriver(f"no port {port!r}; there are: {', '.join(DRIVERS)}")
    module = DRIVERS[port].get(name) or next(
        (found.value for found in entry_points(group=GROUP, name=f"{port}.{name}")), None
    )
    if module is None:
        raise UnknownDriver(f"no driver {name!r} for {port}; there are: {', '.join(DRIVERS[port])}")
    try:
        return cast(Driver, import_module(module))
    except ImportError as cause:
        raise DriverUnavailable(f"driver {name!r} for {port} needs a library that is missing: {cause}") from cause


def pins_of(settings: msgspec.Struct) -> dict[str, int]:
    """BCM lines that these settings claim, by setting name; empty for a driver that uses none."""
    claimed = getattr(settings, "pins", None)
    return claimed() if claimed else {}
