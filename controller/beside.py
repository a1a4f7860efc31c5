"""Work that takes longer than a loop turn, done beside the loop: PIN derivations on one thread, lists on another,
devices that come back on a third.

They release the interpreter lock while they compute. Their results come back through a mailbox, as calls for the loop
to make; an exception in a job travels the same way and ends the process in the loop, where it is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from controller.formats.code_list import PinKdf
from controller.formats.pin import derive
from hal.mailbox import Mailbox

T = TypeVar("T")


class Beside:
    """The workers and the mailbox the loop waits on."""

    def __init__(self) -> None:
        self._done: Mailbox[Callable[[], None]] = Mailbox()
        self._derivations = ThreadPoolExecutor(1, "derive")
        self._disk = ThreadPoolExecutor(1, "disk")
        self._devices = ThreadPoolExecutor(1, "devices")

    def fileno(self) -> int:
        """Readable while results wait."""
        return self._done.fileno()

    def derive(self, pin: str, kdf: PinKdf, then: Callable[[str], None]) -> None:
        """Derive a PIN's verifier; `then` is called by the loop."""
        self._submit(self._derivations, partial(derive, pin, kdf), then)

    def on_disk(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Verify or write a file; jobs run one after the other; `then` is called by the loop."""
        self._submit(self._disk, job, then)

    def open(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Look for a device that is away, which may take seconds; `then` is called by the loop."""
        self._submit(self._devices, job, then)

    def finish(self) -> None:
        """Make the calls that are due, in the loop."""
        for call in self._done.take():
            call()

    def close(self) -> None:
        """Wait for what runs and drop the rest."""
        for executor in (self._derivations, self._disk, self._devices):
            executor.shutdown(wait=True, cancel_futures=True)
        self._done.close()

    def _submit(self, executor: ThreadPoolExecutor, job: Callable[[], T], then: Callable[[T], None]) -> None:
        def hand_over(future: Future[T]) -> None:
            if not future.cancelled():
                self._done.post(lambda: then(future.result()))

        executor.submit(job).add_done_callback(hand_over)
