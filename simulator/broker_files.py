"""What `systemd/hub/zaalsleutel-broker-files` does on a hub's machine, for the demo: as soon as the hub has written its
list of revoked certificates or its access rules, the broker gets them and is told to read them again.

    files = BrokerFiles(hub_tls_folder, broker_folder, lambda: os.kill(broker.pid, signal.SIGHUP), more_rights)
    files.start()
    …
    files.stop()
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sync.hub.doors.revocation import ACL
from sync.hub.keys.ca import CRL

LOOK_EVERY_S: Final = 0.2

log = logging.getLogger(__name__)


class BrokerFiles:
    """`more_rights` are lines that the broker's rules have besides the hub's. The list of revoked certificates is read
    where the hub writes it. `reload` is called after every change; what it raises as OSError is tried again."""

    def __init__(self, tls: Path, broker: Path, reload: Callable[[], None], more_rights: str = "") -> None:
        self._written = (tls / CRL, tls / ACL)
        self._rights = broker / ACL
        self._more_rights = more_rights
        self._reload = reload
        self._taken = self._state()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="broker-files", daemon=True)

    def start(self) -> None:
        """Watch from now on. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Take what is new to the broker; whether there was anything."""
        found = self._state()
        if found == self._taken:
            return False
        # One that reads while this is written reads it again after the signal.
        self._rights.write_text(self._written[1].read_text("ascii") + self._more_rights, "ascii")
        self._reload()
        self._taken = found
        return True

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.look()
            except OSError as error:
                log.warning("the broker has not got the hub's files yet: %s", error)

    def _state(self) -> tuple[bytes | None, ...]:
        return tuple(path.read_bytes() if path.exists() else None for path in self._written)
