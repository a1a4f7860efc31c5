"""The contract of `hal.ports.Light`, over every driver and every pin factory that loads here."""

from time import sleep
from typing import Any

import msgspec
import pytest

from hal import catalog, osdp_front
from hal.ports import SIGNALS
from tests.hal.bench import RecordedFront, eventually

LINES: dict[str, dict[str, Any]] = {
    "gpio": {"pin": 22},
    "two_colour": {"green": 22, "red": 27},
    "osdp": {"device": "/dev/osdp-light"},
}
"""Driver -> its settings; every value is a line, but for the OSDP keypad, whose front is recorded instead."""


@pytest.fixture(params=sorted(catalog.DRIVERS["light"]))
def name(request):
    return request.param


@pytest.fixture
def front(monkeypatch):
    front = RecordedFront()
    monkeypatch.setitem(osdp_front._fronts, "/dev/osdp-light", front)
    return front


@pytest.fixture
def light(name, bench, front):
    driver = catalog.driver("light", name)
    light = driver.open(msgspec.convert(LINES[name], driver.Settings), bench.board)
    yield light
    light.close()


@pytest.fixture
def lit(name, bench, front):
    """Whether anything is lit now."""
    if name == "osdp":
        return lambda: front.ordered[-1:] == [True]
    return lambda: any(bench.high(line) for line in LINES[name].values())


@pytest.fixture
def ever_lit(name, bench, front):
    """Every level the lines have had."""
    if name == "osdp":
        return lambda: [list(front.ordered)]
    return lambda: [bench.levels(line) for line in LINES[name].values()]


def test_is_dark_when_opened(light, ever_lit):
    assert not any(any(levels) for levels in ever_lit())


@pytest.mark.parametrize("signal", [signal for signal in SIGNALS if signal != "off"])
def test_every_signal_lights_up(light, ever_lit, signal):
    light.show(signal)
    assert eventually(lambda: any(any(levels) for levels in ever_lit()))


def test_off_is_dark_and_stays_dark(light, lit, ever_lit):
    light.show("granted")
    assert eventually(lit)
    light.show("off")
    assert eventually(lambda: not lit())
    before = ever_lit()
    sleep(0.1)
    assert ever_lit() == before


def test_the_newest_signal_wins(light, lit):
    for signal in [*SIGNALS, "granted"]:
        light.show(signal)
    assert eventually(lit)


def test_an_unknown_signal_is_refused(light):
    with pytest.raises(ValueError, match="disco"):
        light.show("disco")


def test_close_is_dark_and_may_be_repeated(light, lit):
    light.show("granted")
    assert eventually(lit)
    light.close()
    light.close()
    assert eventually(lambda: not lit())
