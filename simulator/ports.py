"""Ports on 127.0.0.1 for processes that are told a number first and listen at it later."""

import itertools
import random
import socket
from typing import Final

# Below what Linux gives to connections and to whoever asks for any port (net.ipv4.ip_local_port_range, from 32768): of
# those one that is free now may be somebody's before its process listens.
RANGE: Final = range(20_000, 32_768)
# Each once in this process, in an order of its own: several of them run beside each other.
_candidates = itertools.cycle(random.sample(RANGE, len(RANGE)))


def free_port() -> int:
    """A port at which nobody listens, another one at each call. Raises OSError if there is none."""
    for port in itertools.islice(_candidates, len(RANGE)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closing ones do not count
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"every port from {RANGE[0]} to {RANGE[-1]} is taken")
