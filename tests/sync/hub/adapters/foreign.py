"""The other side: a real HTTP server on loopback that serves what a test puts on it, and remembers what was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Page:
    """What stands at a path. With an `etag`, whoever has it already gets a 304."""

    body: bytes = b""
    status: int = 200
    etag: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """A foreign system. `token` is asked for at every path once it is set; `/token` gives it out for `secret`."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    token: str | None = None
    tokens_given: int = 0

    def put(self, path: str, body: str | bytes, **changes) -> None:
        self.pages[path] = Page(body.encode() if isinstance(body, str) else body, **changes)

    def answer(self, request: BaseHTTPRequestHandler) -> Page:
        path = urlsplit(request.path).path
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return Page(status=401)
        page = self.pages.get(path, Page(status=404))
        if page.etag is not None and request.headers.get("If-None-Match") == page.etag:
            return Page(status=304, etag=page.etag)
        return page


@contextmanager
def site() -> Iterator[Site]:
    """A running site, gone afterwards."""
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(made.answer(self))

        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            # hub:s3cret, as HTTP Basic
            good = self.headers.get("Authorization") == "Basic aHViOnMzY3JldA=="
            if not good or form.get("grant_type") != ["client_credentials"]:
                self._send(Page(status=401))
                return
            made.tokens_given += 1
            made.token = f"token-{made.tokens_given}"
            self._send(Page(f'{{"access_token": "{made.token}", "expires_in": 3600}}'.encode()))

        def _send(self, page: Page):
            made.asked.append((self.path, page.status))
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            if page.etag is not None:
                self.send_header("ETag", page.etag)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
