"""The display's end of `display.sock`: hears the public state, says that it lives. A controller that restarts is normal
and tried again for ever."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.messages import DisplayAlive, LineBuffer, PublicState, decode_line, encode_line

ALIVE_S: Final = 3.0
AGAIN_S: Final = 1.0
READ_BYTES: Final = 65_536


class ControllerLine:
    """`heard` gets every public state, None whenever the controller cannot be heard; `pages` tells how many browsers
    show the page. `beat` is called every few seconds, whether there is a controller or not."""

    def __init__(
        self,
        path: Path,
        heard: Callable[[PublicState | None], None],
        pages: Callable[[], int],
        beat: Callable[[], None],
    ) -> None:
        self._path = path
        self._heard = heard
        self._pages = pages
        self._beat = beat
        self._over = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        while not self._over.is_set():
            self._beat()
            try:
                self._listen()
            except (OSError, Refused):
                self._heard(None)
            self._over.wait(AGAIN_S)

    def stop(self) -> None:
        """End `run` within a few seconds."""
        self._over.set()

    def _listen(self) -> None:
        lines = LineBuffer(LIMITS.socket_line_bytes)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ALIVE_S)
            connection.connect(os.fspath(self._path))
            said_s = 0.0
            while not self._over.is_set():
                if monotonic() - said_s >= ALIVE_S:
                    connection.sendall(encode_line(DisplayAlive(pages=self._pages())))
                    said_s = monotonic()
                    self._beat()
                try:
                    data = connection.recv(READ_BYTES)
                except TimeoutError:
                    continue
                if not data:
                    raise ConnectionError("the controller hung up")
                for line in lines.feed(data):
                    self._heard(decode_line(line, PublicState, "display.sock"))
