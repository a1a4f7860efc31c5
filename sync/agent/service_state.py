"""What systemd wants to hear (sd_notify(3)): READY=1 once, WATCHDOG=1 while the loop turns."""

from __future__ import annotations

import os
import socket


class ServiceState:
    """Says nothing when nobody listens (`NOTIFY_SOCKET` unset)."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        self._say("READY=1")

    def alive(self) -> None:
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        # "@" stands for the zero byte of Linux's abstract socket names.
        address = self._address.replace("@", "\0", 1) if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), address)
