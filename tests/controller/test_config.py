"""The unit's configuration: whatever is mistyped stops the start and is named."""

from pathlib import Path

import pytest

from controller.config import Config, load
from controller.formats.errors import Refused

GOOD = """
[door]
id = "hall-1"
data = "data"
sockets = "sockets"

[lock]
driver = "gpio"
pin = 17

[contact]
driver = "gpio"
pin = 22

[clock]
driver = "host"

[keypads.outside]
driver = "serial"
device = "/dev/ttyUSB0"
"""


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "door.toml"
    path.write_text(text, "utf-8")
    config = load(path)
    config.check()
    return config


def test_a_good_one(tmp_path: Path):
    config = read(tmp_path, GOOD)
    assert (config.door.id, config.door.handle_sensed, config.gpio.factory) == ("hall-1", False, "lgpio")
    assert config.required("lock").settings.pin == 17  # type: ignore[attr-defined]
    assert list(config.keypads()) == ["outside"]
    assert config.part("light") is None
    assert config.has("contact")
    assert not config.has("camera")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("[contact]", "[contakt]", "[contakt]"),
        ("[clock]", "[klok]", "[klok]"),
        ("pin = 17", "pinn = 17", "[lock] pinn"),
        ("pin = 17", "", "[lock] pin"),
        ("pin = 17", "pin = 5", "[lock] pin"),
        ("pin = 17", 'pin = "17"', "[lock] pin"),
        ("pin = 17", "pin = 17\nactive_low = true", "[lock]"),
        ("pin = 22", "pin = 17", "[contact] pin"),
        ('id = "hall-1"', 'id = "Hall 1"', "[door] id"),
        ('id = "hall-1"', "", "[door] id"),
        ('sockets = "sockets"', 'sockets = ""', "[door] sockets"),
        ('sockets = "sockets"', 'sockets = "s"\nhandel_sensed = true', "[door] handel_sensed"),
        ('driver = "serial"', "", "[keypads.outside] driver"),
        ('driver = "serial"', "driver = 1", "[keypads.outside] driver"),
        ('driver = "serial"', 'driver = "telepathy"', "[keypads.outside] driver"),
        ('device = "/dev/ttyUSB0"', "devise = 1", "[keypads.outside] devise"),
        ("[keypads.outside]", '[keypads."Out side"]', "[keypads.Out side]"),
        ("[keypads.outside]", "[keypads]", "[keypads.driver]"),
        ("[door]", "gpio = 1\n[door]", "[gpio]"),
        ('device = "/dev', 'inside = 1\ndevice = "/dev', "[keypads.outside] inside"),
        ("[door]", '[scanners.x]\ndriver = "serial"\n[door]', "[scanners.x] device"),
        ("[door]", '[fire]\ndriver = "gpio"\npin = 22\n[door]', "[fire] pin"),
        ("[door]", '[sound]\ndriver = "gpio"\npin = 17\n[door]', "[sound] pin"),
        ("[door]", '[profile]\nname = "x"\n[door]', "[profile] board"),
        ("[door]", '[gpio]\nfactory = ""\n[door]', "[gpio] factory"),
    ],
)
def test_what_is_mistyped_is_named(tmp_path: Path, old: str, new: str, where: str):
    assert GOOD.count(old) >= 1
    with pytest.raises(Refused) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert (caught.value.code, caught.value.where) == ("bad_config", where)


@pytest.mark.parametrize("section", ["door", "lock", "clock"])
def test_what_every_unit_has_may_not_be_missing(tmp_path: Path, section: str):
    kept = [part for part in GOOD.split("\n\n") if f"[{section}]" not in part]
    with pytest.raises(Refused) as caught:
        read(tmp_path, "\n\n".join(kept))
    assert caught.value.where == f"[{section}]"


@pytest.mark.parametrize("text", ["[door", "a = 1\na = 2", "[door]\n[door]"])
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str):
    with pytest.raises(Refused, match="not TOML"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="cannot be read"):
        load(tmp_path / "bytes.toml")
