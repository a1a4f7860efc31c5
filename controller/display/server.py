"""The page's server, on loopback only. Pages get pictures (`screen.Screen` as JSON) as server-sent events.

    GET  /                      the page, with page.css, page.js, sounds.json
    GET  /screens?language=fr   an event for every picture that differs from the one before
    POST /alive                 the page is drawn: it says so every few seconds, a frozen one does not

Nothing can be asked for and nothing done but to look. A host name that is not this machine is refused, so that no web
site elsewhere can have a browser here look for it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from time import monotonic
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

import msgspec

from controller.display.screen import Composer, Screen, accepted
from controller.formats.messages import PublicState

PAGES_MAX: Final = 8
PAGE_ALIVE_S: Final = 10.0
LOOK_S: Final = 1.0  # time alone changes pictures too: wait times, the last quarter of an hour
SILENT_LOOKS: Final = 5  # an event at least that often, so that a page knows its server lives
REQUEST_S: Final = 20.0
HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/sounds.json": ("sounds.json", "application/json"),
}
# The demo shows the page inside its own, from another port of this machine.
POLICY: Final = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self' http://127.0.0.1:*"


class DisplayServer:
    """Serves pages from `start` to `close`. `port` 0 = any free one."""

    def __init__(self, port: int) -> None:
        self._composer = Composer()
        self._news = threading.Condition()
        self._alive_s = -PAGE_ALIVE_S
        self._watching = 0
        self.over = False
        folder = resources.files("controller.display") / "page"
        self.files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}
        self._http = _Http(self, port)
        self.port: int = self._http.server_address[1]

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, args=(0.2,), name="pages", daemon=True).start()

    def close(self) -> None:
        """End every page's stream and free the port."""
        with self._news:
            self.over = True
            self._news.notify_all()
        self._http.shutdown()
        self._http.server_close()

    def heard(self, public: PublicState | None) -> None:
        """The controller's newest word."""
        with self._news:
            self._composer.heard(public, _now_ms())
            self._news.notify_all()

    def pages(self) -> int:
        """How many pages are being looked at: none while no browser has said lately that it draws."""
        with self._news:
            return self._watching if monotonic() - self._alive_s < PAGE_ALIVE_S else 0

    def drawn(self) -> None:
        """A page says that it lives."""
        with self._news:
            self._alive_s = monotonic()

    def screen(self, chosen: str | None) -> Screen:
        """The picture of this moment."""
        with self._news:
            return self._composer.screen(_now_ms(), chosen)

    def join(self) -> bool:
        """Whether there is room for one more page; then it counts until it leaves."""
        with self._news:
            if self._watching >= PAGES_MAX or self.over:
                return False
            self._watching += 1
            return True

    def leave(self) -> None:
        with self._news:
            self._watching -= 1

    def wait(self) -> None:
        """For news of the controller, or until time alone may have changed a picture."""
        with self._news:
            self._news.wait(LOOK_S)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, display: DisplayServer, port: int) -> None:
        self.display = display
        super().__init__(("127.0.0.1", port), _Request)


class _Request(BaseHTTPRequestHandler):
    timeout = REQUEST_S

    def do_GET(self) -> None:
        display = cast(_Http, self.server).display
        asked = urlsplit(self.path)
        if not self._local():
            return
        if asked.path == "/screens":
            self._stream(display, accepted(parse_qs(asked.query).get("language", [""])[0]))
        elif asked.path in display.files:
            content, kind = display.files[asked.path]
            self._answer(200, kind, content)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        if not self._local():
            return
        if self.path != "/alive":
            self.send_error(404)
            return
        cast(_Http, self.server).display.drawn()
        self._answer(204)

    def _local(self) -> bool:
        name = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if name in HOSTS:
            return True
        self.send_error(421)
        return False

    def _stream(self, display: DisplayServer, chosen: str | None) -> None:
        if not display.join():
            self.send_error(503, "enough pages")
            return
        try:
            with suppress(OSError):  # the page went away
                self._answer(200, "text/event-stream")
                self._send_screens(display, chosen)
        finally:
            display.leave()

    def _send_screens(self, display: DisplayServer, chosen: str | None) -> None:
        shown, silent = None, 0
        while not display.over:
            screen = display.screen(chosen)
            silent += 1
            if screen != shown or silent >= SILENT_LOOKS:
                self.wfile.write(b"data: " + msgspec.json.encode(screen) + b"\n\n")
                shown, silent = screen, 0
            display.wait()

    def _answer(self, status: int, kind: str | None = None, content: bytes | None = None) -> None:
        self.send_response(status)
        if kind is not None:
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
        """Silence: who looked at a door's screen is nobody's business."""


def _now_ms() -> int:
    return int(monotonic() * 1000)
