"""The camera process: looks at pictures, tells the controller the texts in them, and can do nothing else.

    camera -> reader -> CameraRead      for each text in sight, at most ten times a second
                        CameraAlive     every 3 s: how many pictures came; 0 while there is no camera

A camera that vanishes and a controller that restarts are both normal: each is tried again for ever. Pictures stay in
memory and are forgotten with the next one; texts go to the controller and into no log.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from controller.camera import reader
from controller.camera.attention import Attention
from controller.camera.config import Config
from controller.formats.messages import CameraAlive, CameraRead, encode_line
from hal.errors import HardwareFault
from hal.ports import Camera

TEXT_CHARS: Final = 300
"""What a `CameraRead` holds; a pass has 60 characters, and anything over 256 is foreign."""
SIGHTING_S: Final = 0.1
ALIVE_S: Final = 3.0
AGAIN_S: Final = 1.0
"""Pause before the camera or the controller is tried again."""
FRAME_WAIT_S: Final = 0.5
SEND_WAIT_S: Final = 1.0
"""A controller that does not read for this long is not there; its loop turns in milliseconds."""


class Watch:
    """Runs until `stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._line = ControllerLine(config.socket)
        self._sightings = Sightings()
        self._stopping = False
        self._frames = 0
        self._alive_s = monotonic()
        self._attention = Attention()
        self._told = ""

    def stop(self) -> None:
        """End `run` within about two seconds. May be called from a signal handler, so it takes no lock."""
        self._stopping = True

    def run(self) -> None:
        """Look until stopped. Tells systemd when it is ready and that it lives."""
        notify("READY=1")
        while not self._stopping:
            try:
                self._look()
            except HardwareFault as fault:
                self._tell(str(fault))
                self._beat()
                sleep(AGAIN_S)
        notify("STOPPING=1")
        self._line.close()

    def _look(self) -> None:
        """Open the camera and read what it sees. Raises `HardwareFault` when it is not there, or no longer."""
        camera = self._config.driver.open(self._config.settings)
        try:
            while not self._stopping:
                self._read(camera)
                self._beat()
        finally:
            camera.close()

    def _read(self, camera: Camera) -> None:
        frame = camera.read(FRAME_WAIT_S)
        if frame is None:
            return
        self._frames += 1
        self._tell("camera works")
        texts, look = reader.read_by(frame, self._attention.looks(frame))
        self._attention.took(texts, look)
        for text in self._sightings.due((text[:TEXT_CHARS] for text in texts), monotonic()):
            self._line.send(CameraRead(text=text))

    def _beat(self) -> None:
        now_s = monotonic()
        if now_s - self._alive_s < ALIVE_S:
            return
        self._line.send(CameraAlive(frames=self._frames))
        self._frames, self._alive_s = 0, now_s
        notify("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if state != self._told:
            self._told = state
            print(state, file=sys.stderr, flush=True)


class Sightings:
    """Lets each text through at most once in `SIGHTING_S`. Remembers none for longer than that."""

    def __init__(self) -> None:
        self._said_s: dict[str, float] = {}

    def due(self, texts: Iterable[str], now_s: float) -> list[str]:
        """Those of the texts now in sight that are to be said."""
        self._said_s = {text: said_s for text, said_s in self._said_s.items() if now_s - said_s < SIGHTING_S}
        due = [text for text in dict.fromkeys(texts) if text not in self._said_s]
        self._said_s.update(dict.fromkeys(due, now_s))
        return due


class ControllerLine:
    """The way to the controller. What cannot be said now is dropped: a sighting is about this moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: socket.socket | None = None
        self._again_s = 0.0

    def send(self, message: CameraRead | CameraAlive) -> None:
        """Say it, connecting first where needed. Takes at most `SEND_WAIT_S`."""
        try:
            if self._connection is None:
                if monotonic() < self._again_s:
                    return
                self._connect()
            assert self._connection is not None
            self._connection.sendall(encode_line(message))
        except OSError:  # the controller's own supervisor sees to it; from here only a new connection helps
            self.close()
            self._again_s = monotonic() + AGAIN_S

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(SEND_WAIT_S)
        self._connection.connect(os.fspath(self._path))


def notify(state: str) -> None:
    """Say `READY=1`, `WATCHDOG=1` or `STOPPING=1` to systemd, when it started us (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        # An abstract address is written with @ and begins with a NUL.
        service_manager.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
