"""Words to systemd (`sd_notify`): ready, alive, stopping."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send e.g. `READY=1` or `WATCHDOG=1` to the service manager, when there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        # An abstract socket is written with @ and addressed with a NUL.
        manager.connect("\0" + address[1:] if address.startswith("@") else address)
        manager.send(state.encode())
