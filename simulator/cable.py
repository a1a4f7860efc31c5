"""The network cable between a door and its broker: a TCP proxy on loopback that can be cut::

    cable = Cable(("127.0.0.1", 8883))     # the agent connects to cable.port instead
    cable.cut()                            # connections drop, new ones are refused
    cable.cut(silent=True)                 # or: everything vanishes without a word, as with a dead router
    cable.mend()

TLS passes through untouched. One thread accepts, two move bytes for each connection.
"""

import socket
import threading
from contextlib import suppress
from typing import Final

from simulator.ports import free_port

CHUNK_BYTES: Final = 65_536
CONNECT_S: Final = 5.0


class Cable:
    """Listens on 127.0.0.1:`port` (0 = any free one) and forwards to `target` (host, port)."""

    def __init__(self, target: tuple[str, int], port: int = 0) -> None:
        self.target = target
        self._guard = threading.Lock()
        self._mended = threading.Event()
        self._ends: set[socket.socket] = set()
        self._silent = False
        self._closed = False
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Not 0: Linux gives such a port up when listening ends.
        self.port = port or free_port()
        self._listener.bind(("127.0.0.1", self.port))
        self._accepting = threading.Thread(target=self._accept, name="cable", daemon=True)
        self.mend()
        self._accepting.start()

    @property
    def whole(self) -> bool:
        """True unless cut."""
        return self._mended.is_set() and not self._silent

    def cut(self, silent: bool = False) -> None:
        """Cut the cable. Not `silent`: both ends see their connections close, and new ones are refused."""
        with self._guard:
            self._silent = silent
            if silent:
                return
            if self._mended.is_set():
                self._mended.clear()
                # On Linux this ends the listening and keeps a port that was asked for by number, so
                # nobody else can take it meanwhile. Done twice, the socket could not listen again.
                _end(self._listener)
            self._drop_all()

    def mend(self) -> None:
        """Carry connections again. Those that lost bytes in silence are dropped: their streams have holes."""
        with self._guard:
            if self._silent:
                self._silent = False
                self._drop_all()
            if not self._mended.is_set():
                self._listener.listen()
                self._mended.set()

    def close(self) -> None:
        """Cut for good and free the port."""
        self._closed = True
        self.cut()
        self._mended.set()
        self._accepting.join()
        self._listener.close()

    def _drop_all(self) -> None:
        for end in self._ends:
            _end(end)

    def _accept(self) -> None:
        while not self._closed:
            self._mended.wait()
            try:
                near, _ = self._listener.accept()
            except OSError:
                continue  # cut
            threading.Thread(target=self._carry, args=(near,), name="cable-connection", daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near:
            with self._guard:
                if not self._mended.is_set():
                    return  # cut between accept and here
                self._ends.add(near)
            try:
                if self._silent:
                    self._move(near, None)
                else:
                    self._join(near)
            except OSError:
                return  # the broker is not there: the door sees a closed connection
            finally:
                with self._guard:
                    self._ends.discard(near)

    def _join(self, near: socket.socket) -> None:
        with socket.create_connection(self.target, timeout=CONNECT_S) as far:
            far.settimeout(None)
            with self._guard:
                self._ends.add(far)
            back = threading.Thread(target=self._move, args=(far, near), name="cable-back", daemon=True)
            back.start()
            self._move(near, far)
            back.join()
            with self._guard:
                self._ends.discard(far)

    def _move(self, source: socket.socket, sink: socket.socket | None) -> None:
        """Carry bytes one way until either end is gone; without a sink, or in silence, they vanish."""
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                if sink is not None and not self._silent:
                    sink.sendall(chunk)
        if sink is not None:
            _end(sink)
        _end(source)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)
