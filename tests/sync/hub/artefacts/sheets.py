"""A sheet to try every form with."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.formats.qr_pass import make_pass
from sync.hub.artefacts.sheet import Pin, Sheet, Time

BRUSSELS = ZoneInfo("Europe/Brussels")
MADE_AT = int(datetime(2026, 7, 1, 8, tzinfo=UTC).timestamp())
START = datetime(2026, 7, 17, 14, 0, tzinfo=BRUSSELS)
PASS = make_pass(b"\x01\x02\x03\x04\x05", int(START.timestamp()), 240, 1_784_000_040, [b"k" * 32], bytes(20)).text()


def time(start=START, hours=4, early_min=15) -> Time:
    return Time(start, start + timedelta(hours=hours), start - timedelta(minutes=early_min))


def sheet(**changes) -> Sheet:
    members = {
        "language": "nl",
        "rooms": ("Feestzaal",),
        "times": (time(),),
        "pins": (Pin("123456"),),
        "qr": PASS,
        "help": "03 444 18 16",
    }
    return Sheet(**(members | changes))
