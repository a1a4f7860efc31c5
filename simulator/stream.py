"""What the door's camera sees: an MJPEG stream on 127.0.0.1, with a picture held up to it or an empty scene."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Final, cast

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

WIDTH: Final = 640
HEIGHT: Final = 480
FRAMES_PER_S: Final = 15
SMALL_PX: Final = 240
"""A picture smaller than this is enlarged by whole steps to about `SHOWN_PX`, as if held closer to the camera."""
SHOWN_PX: Final = 360
SCENE_GREY: Final = 96
PICTURE_BYTES_MAX: Final = 8 * 1024 * 1024


def scene(picture: Picture | None = None) -> bytes:
    """One JPEG frame: an empty scene, or the picture in its middle. Larger pictures shrink to fit."""
    frame = np.full((HEIGHT, WIDTH, 3), SCENE_GREY, np.uint8)
    if picture is not None:
        shown = _fit(picture)
        rows, columns = shown.shape[:2]
        top, left = (HEIGHT - rows) // 2, (WIDTH - columns) // 2
        frame[top : top + rows, left : left + columns] = shown
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def decode_picture(data: bytes) -> Picture:
    """An image file's bytes to BGR. Raises `ValueError` when it is none or too large."""
    if len(data) > PICTURE_BYTES_MAX:
        raise ValueError(f"picture is larger than {PICTURE_BYTES_MAX} bytes")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if picture is None:
        raise ValueError("not a picture")
    return cast(Picture, picture)


def _fit(picture: Picture) -> Picture:
    rows, columns = picture.shape[:2]
    if max(rows, columns) < SMALL_PX:
        step = SHOWN_PX // max(rows, columns)
        return cast(Picture, cv2.resize(picture, None, fx=step, fy=step, interpolation=cv2.INTER_NEAREST))
    shrink = min(1.0, HEIGHT / rows, WIDTH / columns)
    size = (max(1, int(columns * shrink)), max(1, int(rows * shrink)))
    return cast(Picture, cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


class Stream:
    """Serves `url` to any number of readers. `port` 0 = any free one."""

    def __init__(self, port: int = 0) -> None:
        self._empty = scene()
        self._shown = self._empty
        self._until_s: float | None = None
        self._news = threading.Condition()
        self._plugged = True
        self._server = _Server(self, port)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stream"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="stream", daemon=True).start()

    @property
    def showing(self) -> bool:
        """True while a picture is held up."""
        with self._news:
            return self._frame() is not self._empty

    @property
    def plugged(self) -> bool:
        """False while the camera is unplugged."""
        return self._plugged

    def show(self, picture: Picture, seconds: float | None = None) -> None:
        """Hold a picture up, for `seconds` or until `hide`."""
        frame = scene(picture)
        with self._news:
            self._shown = frame
            self._until_s = None if seconds is None else monotonic() + seconds

    def hide(self) -> None:
        """Back to the empty scene."""
        with self._news:
            self._shown, self._until_s = self._empty, None

    def plug(self, plugged: bool) -> None:
        """Unplugged, every stream ends and new readers are turned away."""
        with self._news:
            self._plugged = plugged
            self._news.notify_all()

    def close(self) -> None:
        """End every stream and free the port."""
        self.plug(False)
        self._server.shutdown()
        self._server.server_close()

    def next_frame(self) -> bytes | None:
        """Wait for one frame time, then the frame to send; None when unplugged."""
        with self._news:
            self._news.wait_for(lambda: not self._plugged, 1 / FRAMES_PER_S)
            return self._frame() if self._plugged else None

    def _frame(self) -> bytes:
        over = self._until_s is not None and monotonic() >= self._until_s
        return self._empty if over else self._shown


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, stream: Stream, port: int) -> None:
        self.stream = stream
        super().__init__(("127.0.0.1", port), _Reader)


class _Reader(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        stream = cast(_Server, self.server).stream
        if not stream.plugged:
            self.send_error(503, "camera is unplugged")
            return
        with suppress(OSError):  # the reader went away
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            while (jpeg := stream.next_frame()) is not None:
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the demo's terminal is not an access log."""
