"""The virtual door in a browser: everything one can do at a door, and everything one can see of it, on one page.

    with VirtualDoorPage(demo) as page:
        print(page.url)

It stands where a visitor stands: it moves the virtual hardware (`simulator.control`), starts and kills processes, asks
the unit on `admin.sock` as staff may, and talks to the hub through its API. The door does not know that it is there.

| request | |
|---|---|
| `GET /` `/page.css` `/page.js` | the page |
| `GET /news` | server-sent events: hardware, status, the door's log, the hub's copy, reservations |
| `POST /hardware` | a verb of the virtual hardware, of those in `VERBS` |
| `POST /reserve` `/cancel` | a reservation through the hub's API |
| `POST /hold` | hold the QR of a reservation up to the camera |
| `POST /frame` | a picture in the body: an upload, or one frame of the visitor's own camera |
| `POST /power` `/card` `/clock` | pull or plug the power, fill or empty the card, set the time the unit is told |

Loopback only, and only for pages of its own: a POST needs the header `X-Virtual-Door`, which no other site can send.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from types import TracebackType
from typing import Any, Final, cast
from urllib.parse import urlsplit

from controller.formats.errors import Refused
from simulator.control import HardwareClient, HardwareRefused
from simulator.demo import Demo
from simulator.hub_client import HubRefused
from simulator.stream import PICTURE_BYTES_MAX
from simulator.visit import Visit

NEWS_S: Final = 0.08
FRAME_S: Final = 1.0
UPLOAD_S: Final = 3.0
HOLD_S: Final = 3.0
BODY_MAX: Final = PICTURE_BYTES_MAX
HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
VERBS: Final = frozenset(
    {"keys", "push", "pull_inside", "close_leaf", "exit_button", "switch", "plug_keypad", "plug_camera", "cut", "mend"}
)
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
POLICY: Final = "default-src 'self'; img-src 'self' data: blob:; frame-src http://127.0.0.1:*; base-uri 'none'"

Json = dict[str, Any]


class VirtualDoorPage:
    """Serves the page of a running demo. `port` 0 = any free one."""

    def __init__(self, demo: Demo, port: int = 0) -> None:
        self._demo = demo
        self._hands = threading.Lock()  # one visitor's hand at a time; watching needs none
        self.visit = Visit(demo)
        folder = resources.files("simulator") / "page"
        self.files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}
        self.over = threading.Event()
        self._http = _Http(self, port)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/"
        self._deeds: dict[str, Callable[[Json], Json]] = {
            "/hardware": self._hardware,
            "/reserve": lambda asked: self.visit.reserve(int(asked["start_min"]), int(asked["minutes"])),
            "/cancel": lambda asked: self.visit.cancel(str(asked["ref"])),
            "/hold": self._hold,
            "/power": lambda asked: self.visit.power(bool(asked["on"])),
            "/card": lambda asked: self.visit.fill_card(bool(asked["full"])),
            "/clock": lambda asked: self.visit.set_clock(float(asked["ahead_s"]), float(asked["drift_ppm"])),
        }

    def __enter__(self) -> VirtualDoorPage:
        threading.Thread(target=self._http.serve_forever, args=(0.2,), name="virtual-door", daemon=True).start()
        self.visit.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.visit.stop()
        self._http.shutdown()
        self._http.server_close()

    def do(self, path: str, asked: Json) -> Json:
        """What a POST asks for. Raises KeyError, ValueError, HardwareRefused, HubRefused, OSError."""
        with self._hands:
            return self._deeds[path](asked)

    def show(self, picture: bytes, seconds: float) -> None:
        """Hold a picture up to the camera. Raises HardwareRefused, OSError."""
        with HardwareClient(self._control) as hardware:
            hardware.show(picture, seconds)

    @property
    def _control(self) -> str:
        return str(self._demo.folders.hardware / "control.sock")

    def _hardware(self, asked: Json) -> Json:
        verb = str(asked.pop("do"))
        if verb not in VERBS:
            raise ValueError(f"no verb {verb!r}")
        with HardwareClient(self._control) as hardware:
            return hardware.do(verb, **asked)

    def _hold(self, asked: Json) -> Json:
        self.show(self.visit.picture(str(asked["ref"])), HOLD_S)
        return {}


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, page: VirtualDoorPage, port: int) -> None:
        self.page = page
        super().__init__(("127.0.0.1", port), _Request)


class _Request(BaseHTTPRequestHandler):
    @property
    def _page(self) -> VirtualDoorPage:
        return cast(_Http, self.server).page

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self._local():
            return
        if path == "/news":
            self._news()
        elif path in self._page.files:
            content, kind = self._page.files[path]
            self._answer(200, kind, content)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        if not self._local():
            return
        if "X-Virtual-Door" not in self.headers:
            self.send_error(403, "not from the page")
            return
        asked = urlsplit(self.path)
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= BODY_MAX:
                raise ValueError("too large")
            body = self.rfile.read(length)
            if asked.path == "/frame":
                self._page.show(body, FRAME_S if asked.query == "live" else UPLOAD_S)
                answer: Json = {}
            else:
                answer = self._page.do(asked.path, json.loads(body))
        except (KeyError, TypeError, ValueError, HardwareRefused, HubRefused, Refused, OSError) as error:
            self._json(400, {"error": str(error) or type(error).__name__})
        else:
            self._json(200, answer)

    def _local(self) -> bool:
        name = self.headers.get("Host", "").rpartition(":")[0]
        if name in HOSTS:
            return True
        self.send_error(421)
        return False

    def _news(self) -> None:
        with suppress(OSError):  # the page was closed
            self._answer(200, "text/event-stream")
            told = b""
            while not self._page.over.wait(NEWS_S):
                news = json.dumps(self._page.visit.news()).encode()
                if news != told:
                    self.wfile.write(b"data: " + news + b"\n\n")
                    told = news

    def _json(self, status: int, answer: Json) -> None:
        self._answer(status, "application/json", json.dumps(answer).encode())

    def _answer(self, status: int, kind: str, content: bytes | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if content is not None:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if content is not None:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the demo's terminal is not an access log."""
