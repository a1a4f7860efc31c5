"""The hub as an agent that fetches an update meets it, and the offer it fetches."""

from __future__ import annotations

import hashlib
import random
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from controller.formats.jwk import make_key
from controller.formats.update import Update
from sync.agent import fetch as fetching
from sync.agent.fetch import Source
from sync.hub.keys.ca import make_tls
from tests import update_offer
from tests.sync.hub.enrolling import NOW

PACKAGE = random.Random(7).randbytes(3 * fetching.CHUNK_BYTES + 17)
KEY = make_key()


def update(package: bytes = PACKAGE, **changes: Any) -> Update:
    """What the offer says."""
    return update_offer.update(package, **changes)


def manifest(package: bytes = PACKAGE, **changes: Any) -> bytes:
    """The offer, signed with `KEY`."""
    return update_offer.manifest(KEY, package, **changes)


class Hub:
    """An HTTPS server that gives `packages`; `cut_after` breaks off there once, `says` answers that status instead,
    `ranges` false knows no offsets. `asked` has the offsets that were asked for."""

    def __init__(self, folder: Path) -> None:
        make_tls(folder, ["localhost"], NOW)
        self.packages = {hashlib.sha256(PACKAGE).hexdigest(): PACKAGE}
        self.cut_after: int | None = None
        self.says: int | None = None
        self.ranges = True
        self.asked: list[int] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "broker.pem", folder / "broker.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.source = Source(f"localhost:{self._server.server_port}", (folder / "ca.pem").read_text())

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        offset = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.asked.append(offset)
        package = self.packages.get(request.path.rpartition("/")[2])
        if self.says or package is None:
            request.send_error(self.says or 404)
            return
        body = package[offset if self.ranges else 0 :]
        request.send_response(206 if self.ranges else 200)
        request.send_header("Content-Length", str(len(body)))
        if self.ranges:
            request.send_header("Content-Range", f"bytes {offset}-{len(package) - 1}/{len(package)}")
        request.end_headers()
        cut, self.cut_after = self.cut_after, None
        request.wfile.write(body[:cut])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
