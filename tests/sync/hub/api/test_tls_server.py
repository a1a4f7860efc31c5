"""Client certificates for real: uvicorn with TLS, a client that shows one, one that does not."""

import http.client
import ssl
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from sync.hub.api.app import create_app
from sync.hub.api.tls_server import uvicorn_options
from sync.hub.keys.ca import Authority, make_tls
from sync.hub.records.log_store import LogStore
from sync.hub.settings import Http
from tests.sync.hub.conftest import NOW


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    make_tls(tmp_path / "tls", ["127.0.0.1"], datetime.now(UTC))
    return tmp_path / "tls"


@pytest.fixture
def port(service, sessions, tls):
    address = Http(
        host="127.0.0.1",
        port=1,
        certificate=tls / "broker.pem",
        private_key=tls / "broker.key",
        client_authorities=tls / "ca.pem",
    )
    app = create_app(service, LogStore(sessions), now=lambda: NOW)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, **uvicorn_options(address)))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def ask(port: int, tls: Path, certificate: Path | None, token: str = "") -> int:
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    if certificate is not None:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    try:
        connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_certificate_of_the_authority_is_enough(port, tls, tmp_path, service):
    """R002-24: mTLS beside tokens, at one address."""
    authority = Authority.load(tls)
    shown: dict[str, Path] = {}
    for name in ("booking", "nobody"):
        certificate, private = authority.client(name, datetime.now(UTC))
        shown[name] = tmp_path / f"{name}.pem"
        shown[name].write_bytes(certificate)
        shown[name].with_suffix(".key").write_bytes(private)
    assert ask(port, tls, shown["booking"]) == 200
    assert ask(port, tls, shown["nobody"]) == 401
    assert ask(port, tls, None) == 401
    assert ask(port, tls, None, service.new_token("booking")) == 200


def test_without_a_certificate_of_its_own_there_is_no_tls():
    assert uvicorn_options(Http(host="127.0.0.1", port=1)) == {}
