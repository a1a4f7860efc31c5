"""The contract of `hal.ports.Light`, over every driver and every pin factory that loads here."""

from time import sleep

import msgspec
import pytest

from hal import catalog
from hal.ports import SIGNALS
from tests.hal.bench import eventually

LINE = 22


@pytest.fixture(params=sorted(catalog.DRIVERS["light"]))
def light(request, bench):
    driver = catalog.driver("light", request.param)
    light = driver.open(msgspec.convert({"pin": LINE}, driver.Settings), bench.board)
    yield light
    light.close()


def test_is_dark_when_opened(light, bench):
    assert not any(bench.levels(LINE))


@pytest.mark.parametrize("signal", [signal for signal in SIGNALS if signal != "off"])
def test_every_signal_lights_up(light, bench, signal):
    light.show(signal)
    assert eventually(lambda: any(bench.levels(LINE)))


def test_off_is_dark_and_stays_dark(light, bench):
    light.show("granted")
    assert eventually(lambda: bench.high(LINE))
    light.show("off")
    assert eventually(lambda: not bench.high(LINE))
    lit = bench.levels(LINE)
    sleep(0.1)
    assert bench.levels(LINE) == lit


def test_the_newest_signal_wins(light, bench):
    for signal in [*SIGNALS, "granted"]:
        light.show(signal)
    assert eventually(lambda: bench.high(LINE))


def test_an_unknown_signal_is_refused(light):
    with pytest.raises(ValueError, match="disco"):
        light.show("disco")


def test_close_is_dark_and_may_be_repeated(light, bench):
    light.show("granted")
    assert eventually(lambda: bench.high(LINE))
    light.close()
    light.close()
    assert eventually(lambda: not bench.high(LINE))
