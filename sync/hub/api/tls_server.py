"""HTTPS for the API, and clients known by their certificate.

With `client_authorities` the server asks for a client certificate and verifies it; the common name is the client's id
in `town.toml`. A caller without one is let through to its bearer token, so both kinds of clients use one address.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from sync.hub.api.gate import CERTIFICATE_NAME
from sync.hub.settings import Http


class CertificateProtocol(H11Protocol):
    """Uvicorn's HTTP protocol, which also remembers who the other side proved to be."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        name = common_name(transport.get_extra_info("peercert"))
        if name is not None:
            self.app_state = {**self.app_state, CERTIFICATE_NAME: name}


def common_name(certificate: dict[str, Any] | None) -> str | None:
    """The common name of a verified certificate, as the ssl module tells it; None without exactly one."""
    subject = (certificate or {}).get("subject", ())
    names = [value for part in subject for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else None


def uvicorn_options(http: Http) -> dict[str, Any]:
    """What uvicorn is told about TLS; nothing without a certificate."""
    if http.certificate is None or http.private_key is None:
        return {}
    options: dict[str, Any] = {"ssl_certfile": str(http.certificate), "ssl_keyfile": str(http.private_key)}
    if http.client_authorities is not None:
        options |= {
            "ssl_ca_certs": str(http.client_authorities),
            "ssl_cert_reqs": ssl.CERT_OPTIONAL,
            "http": CertificateProtocol,
        }
    return options
