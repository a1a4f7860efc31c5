"""The contract of `hal.ports.Contact`, over every driver and every pin factory that loads here."""

import selectors
from time import sleep

import msgspec
import pytest

from hal import catalog
from hal.ports import Contact
from tests.hal.bench import eventually

LINE = 23
DEBOUNCE_MS = 120
"""Long, so that a busy machine does not stretch a bounce into a press."""


@pytest.fixture(params=sorted(catalog.DRIVERS["contact"]))
def contact(request, bench):
    """A button between the line and ground: high at rest, low is active."""
    driver = catalog.driver("contact", request.param)
    contact = driver.open(msgspec.convert({"pin": LINE, "debounce_ms": DEBOUNCE_MS}, driver.Settings), bench.board)
    yield contact
    contact.close()


def wait_for_changes(contact: Contact) -> list[bool]:
    with selectors.DefaultSelector() as selector:
        selector.register(contact.fileno(), selectors.EVENT_READ)
        assert selector.select(5.0), "the descriptor never turned readable"
    return contact.read()


def test_knows_its_state_when_opened_and_reports_nothing(contact):
    assert not contact.active
    assert contact.read() == []


def test_a_press_turns_the_descriptor_readable_and_quiet_again(contact, bench):
    bench.drive(LINE, False)
    assert wait_for_changes(contact) == [True]
    assert contact.active
    with selectors.DefaultSelector() as selector:
        selector.register(contact.fileno(), selectors.EVENT_READ)
        assert selector.select(0) == []
    bench.drive(LINE, True)
    assert wait_for_changes(contact) == [False]


def test_bounce_is_one_change(contact, bench):
    for _ in range(6):
        bench.drive(LINE, False)
        bench.drive(LINE, True)
    bench.drive(LINE, False)
    assert wait_for_changes(contact) == [True]
    sleep(2 * DEBOUNCE_MS / 1000)
    assert contact.read() == []


def test_a_glitch_is_no_change(contact, bench):
    bench.drive(LINE, False)
    bench.drive(LINE, True)
    sleep(2 * DEBOUNCE_MS / 1000)
    assert contact.read() == []
    assert not contact.active


def test_unread_changes_alternate(contact, bench):
    bench.drive(LINE, False)
    assert eventually(lambda: contact.active)
    bench.drive(LINE, True)
    assert eventually(lambda: not contact.active)
    bench.drive(LINE, False)
    assert eventually(lambda: contact.active)
    assert contact.read() == [True, False, True]


def test_close_may_be_repeated(contact):
    contact.close()
    contact.close()
