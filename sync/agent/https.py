"""The hub over HTTPS, for the two things that cannot go through the broker: enrolment and renewal.

document = fetch_trust("hub.example", "5f0c…")              # from anybody, believed by its hash
answer = post("hub.example", "enrolments", body, authorities(document))

The first call trusts nobody and needs not: what it fetches is named by its hash. The CAs in it are whom the second call
trusts, so the hub is pinned by the QR code that staff showed.
"""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException, HTTPSConnection

from controller.formats.enrolment import host_and_port
from controller.formats.errors import Refused
from controller.formats.trust_step import DOCUMENT_BYTES, open_first

WAIT_S = 10.0
ANSWER_BYTES = 64 << 10
CODE_CHARS = 40


def fetch_trust(hub: str, name: str) -> bytes:
    """The trust document whose hash is `name`. Raises Refused (`wrong_trust` for another one, or what the hub said) or
    OSError."""
    document = _call(hub, "GET", f"/v1/trust/{name}", None, _anybody(), DOCUMENT_BYTES)
    if open_first(document).hash != name:
        raise Refused("wrong_trust", "trust", "not the document that the code names")
    return document


def authorities(document: bytes) -> tuple[str, ...]:
    """The CAs (PEM) that a trust document names."""
    return open_first(document).trust.authorities


def post(hub: str, what: str, body: str, trusted: tuple[str, ...]) -> str:
    """The hub's answer to a request, from a hub that one of `trusted` (CAs, PEM) vouches for. Raises Refused with the
    code the hub gave, or OSError."""
    try:
        context = ssl.create_default_context(cadata="\n".join(trusted))
    except (ssl.SSLError, ValueError):
        raise Refused("no_authority", "trust.authorities", "names no CA to know the hub by") from None
    return _call(hub, "POST", f"/v1/{what}", body.encode("ascii"), context, ANSWER_BYTES).decode("utf-8", "replace")


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _call(hub: str, method: str, path: str, body: bytes | None, context: ssl.SSLContext, max_bytes: int) -> bytes:
    host, port = host_and_port(hub)
    connection = HTTPSConnection(host, port, timeout=WAIT_S, context=context)
    try:
        connection.request(method, path, body, {"Content-Type": "application/jose"} if body is not None else {})
        response = connection.getresponse()
        answer = response.read(max_bytes + 1)
    except HTTPException as error:
        raise OSError(f"{hub} answers no HTTP: {type(error).__name__}") from None
    except UnicodeError as error:  # a host name that cannot be one
        raise OSError(f"{hub}: {error}") from None
    finally:
        connection.close()
    if len(answer) > max_bytes:
        raise Refused("too_large", "answer", f"over {max_bytes} bytes")
    if response.status != 200:
        raise Refused(_code(answer), hub, f"the hub refused with status {response.status}")
    return answer


def _code(answer: bytes) -> str:
    """The stable code of a problem (RFC 9457), as far as it is one."""
    try:
        code = json.loads(answer)["code"]
    except (ValueError, KeyError, TypeError):
        return "hub_failed"
    fits = isinstance(code, str) and 0 < len(code) <= CODE_CHARS and code.replace("_", "").isalpha() and code.islower()
    return code if fits and code.isascii() else "hub_failed"
