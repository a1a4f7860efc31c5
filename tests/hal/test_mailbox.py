"""The mailbox between driver threads and the loop."""

import selectors
import threading

from hal.mailbox import CAPACITY, Mailbox


def readable(box) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(box.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


def test_is_readable_exactly_while_something_waits():
    box: Mailbox[int] = Mailbox()
    assert not readable(box)
    box.post(1)
    box.post(2)
    assert readable(box)
    assert box.take() == [1, 2]
    assert not readable(box)
    assert box.take() == []
    box.close()


def test_nothing_is_lost_or_doubled_between_threads():
    box: Mailbox[int] = Mailbox()

    def send(first: int) -> None:
        for item in range(first, first + 200):
            box.post(item)

    senders = [threading.Thread(target=send, args=(first,)) for first in (0, 200)]
    for sender in senders:
        sender.start()
    taken: list[int] = []
    with selectors.DefaultSelector() as selector:
        selector.register(box.fileno(), selectors.EVENT_READ)
        while len(taken) < 400:
            assert selector.select(5.0)
            taken += box.take()
    assert sorted(taken) == list(range(400))
    for sender in senders:
        sender.join()
    box.close()


def test_a_hanging_reader_loses_the_oldest():
    box: Mailbox[int] = Mailbox()
    for item in range(CAPACITY + 10):
        box.post(item)
    assert box.take() == list(range(10, CAPACITY + 10))
    assert not readable(box)
    box.close()


def test_posting_after_close_does_nothing():
    box: Mailbox[int] = Mailbox()
    box.close()
    box.close()
    box.post(1)
    assert box.take() == []
