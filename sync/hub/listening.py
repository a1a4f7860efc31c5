"""A place to listen at, taken before anything is started: whoever finds it taken says so and ends, instead of running
without it."""

from __future__ import annotations

import errno
import socket

from controller.formats.errors import Refused

# A name may have an address of a family that this machine has switched off.
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listening(host: str, port: int, where: str) -> list[socket.socket]:
    """Sockets that listen at every address of a name. Raises Refused `cannot_listen`, naming the setting."""
    sockets: list[socket.socket] = []
    error = OSError(errno.EADDRNOTAVAIL, "no address of this machine")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, address in dict.fromkeys(found):
            try:
                sockets.append(socket.create_server(address[:2], family=family))
            except OSError as failed:
                if failed.errno not in _NOT_HERE:
                    raise
                error = failed
        if sockets:
            return sockets
    except OSError as failed:
        error = failed
    for each in sockets:
        each.close()
    why = (error.strerror or "cannot be used").lower()
    raise Refused("cannot_listen", where, f"cannot listen at {host} port {port}: {why}")
