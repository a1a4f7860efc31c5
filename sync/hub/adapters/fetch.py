"""Fetching from the other side: bounded in time and size, no redirects, with whatever proof of identity it wants.

    fetched = Fetcher().get(url, Access(token_file=path), etag='"17"')
    fetched.body is None                 # 304: the same as at that etag

Whatever goes wrong is Refused as `upstream_failed`, so that nothing is concluded from an answer that did not come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from controller.formats.errors import Refused
from sync.hub.adapters.settings import OAuth

BODY_BYTES = 5 << 20
TIMEOUT_S = 15.0
WHOLE_S = 60.0
"""Each step of an answer may take the one, all of it the other: nobody is waited for who sends a byte a minute."""

EARLY_S = 60
"""A token is renewed so long before it ends."""

GONE = (404, 410)


@dataclass(frozen=True)
class Access:
    """How the hub shows who it is: a bearer token in a file, OAuth 2 client credentials, or neither."""

    token_file: Path | None = None
    oauth: OAuth | None = None


@dataclass(frozen=True)
class Fetched:
    """An answer: `body` is None when it is the same as before; `gone` when there is nothing at that address."""

    body: bytes | None
    etag: str | None = None
    gone: bool = False


@dataclass
class Fetcher:
    """One HTTP client for all adapters. `monotonic_s` tells how old a token is."""

    monotonic_s: Callable[[], float] = time.monotonic
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=TIMEOUT_S, follow_redirects=False))
    _tokens: dict[OAuth, tuple[str, float]] = field(default_factory=dict)

    def get(self, url: str, access: Access, *, etag: str | None = None, accept: str = "*/*") -> Fetched:
        """Raises Refused `upstream_failed`."""
        headers = {"Accept": accept}
        if etag is not None:
            headers["If-None-Match"] = etag
        token = self._token(access)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and etag is not None:
                    return Fetched(None, etag)
                if response.status_code in GONE:
                    return Fetched(b"", gone=True)
                if response.status_code == httpx.codes.UNAUTHORIZED and access.oauth is not None:
                    self._tokens.pop(access.oauth, None)
                if response.status_code != httpx.codes.OK:
                    raise Refused("upstream_failed", _place(url), f"answered {response.status_code}")
                return Fetched(self._body(response), response.headers.get("ETag"))
        except httpx.HTTPError as error:
            raise Refused("upstream_failed", _place(url), f"did not answer: {type(error).__name__}") from None

    def _body(self, response: httpx.Response) -> bytes:
        body, until = bytearray(), self.monotonic_s() + WHOLE_S
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > BODY_BYTES:
                raise Refused("upstream_failed", _place(str(response.url)), f"sends more than {BODY_BYTES} bytes")
            if self.monotonic_s() > until:
                raise Refused("upstream_failed", _place(str(response.url)), "takes too long to answer")
        return bytes(body)

    def _token(self, access: Access) -> str | None:
        if access.token_file is not None:
            return read_secret(access.token_file)
        if access.oauth is None:
            return None
        token, until = self._tokens.get(access.oauth, ("", 0.0))
        if self.monotonic_s() >= until:
            token, until = self._new_token(access.oauth)
            self._tokens[access.oauth] = (token, until)
        return token

    def _new_token(self, oauth: OAuth) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"scope": oauth.scope} if oauth.scope else {})
        try:
            answer = self._client.post(
                oauth.token_url, data=form, auth=(oauth.client_id, read_secret(oauth.secret_file))
            )
            told = answer.raise_for_status().json()
            return str(told["access_token"]), self.monotonic_s() + float(told.get("expires_in", 0)) - EARLY_S
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            place = _place(oauth.token_url)
            raise Refused("upstream_failed", place, f"gave no token: {type(error).__name__}") from None


def read_secret(path: Path) -> str:
    """The first line of a secret's file. Raises Refused `bad_adapters`."""
    try:
        secret = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        raise Refused("bad_adapters", path.name, "this secret cannot be read") from None
    if not secret:
        raise Refused("bad_adapters", path.name, "this secret is empty")
    return secret


def _place(url: str) -> str:
    """Scheme, host and path: a query may hold a secret."""
    return str(httpx.URL(url).copy_with(query=None, userinfo=b""))
