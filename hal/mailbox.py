"""From any thread to one selector loop.

gpiozero calls back on threads of its own; a runner waits in `select`. A `Mailbox` is a bounded queue with a descriptor
that is readable while something is in it::

    box: Mailbox[bool] = Mailbox()
    selector.register(box.fileno(), EVENT_READ)   # the loop
    box.post(True)                                # any thread
    box.take()                                    # the loop: [True]
"""

import os
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from hal.errors import DeviceLost

Item = TypeVar("Item")
News = TypeVar("News")

CAPACITY: Final = 1024
"""Unread items kept. A reader that is this far behind is hanging; the oldest items go first."""


class Mailbox(Generic[Item]):
    """Bounded, thread-safe, never blocks either side. Posting into a closed box does nothing."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._items: deque[Item] = deque(maxlen=CAPACITY)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False

    def fileno(self) -> int:
        """Descriptor that is readable while items wait."""
        return self._bell

    def post(self, item: Item) -> None:
        """Add an item and wake the reader."""
        with self._guard:
            if self._closed:
                return
            self._items.append(item)
            if len(self._items) == 1:  # later items ride on the first ring; the counter cannot fill up
                os.eventfd_write(self._bell, 1)

    def post_all(self, items: Iterable[Item]) -> None:
        """Add items in their order."""
        for item in items:
            self.post(item)

    def take(self) -> list[Item]:
        """All items, oldest first, possibly none; the descriptor is quiet afterwards."""
        with self._guard:
            if not self._items:
                return []
            os.eventfd_read(self._bell)
            items = list(self._items)
            self._items.clear()
            return items

    def close(self) -> None:
        """Close the descriptor. Take it out of the selector first."""
        with self._guard:
            if not self._closed:
                self._closed = True
                self._items.clear()
                os.close(self._bell)


def received(box: Mailbox[News | DeviceLost]) -> list[News]:
    """What a driver's thread has posted. Raises the `DeviceLost` it ended with."""
    received = []
    for news in box.take():
        if isinstance(news, DeviceLost):
            raise news
        received.append(news)
    return received
