"""Who calls: programs of a service or of an external owner, known by a secret, a short-lived token or a certificate.

A secret (`zaalsleutel hub token CLIENT`) is itself a bearer token, for those who cannot do more. The token endpoint
gives an hour's token for it (OAuth 2.0 client credentials), with the client's scopes or fewer. Only hashes are kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from sync.hub.store import questions
from sync.hub.store.models import AccessToken, Client, GrantBooking, Reservation
from sync.hub.workbench import Workbench

TOKEN_BYTES = 32
TOKEN_LIFE_S = 3_600


@dataclass(frozen=True)
class Granted:
    """A token of the token endpoint, with what it may do and for how many seconds."""

    token: str
    scopes: tuple[str, ...]
    life_s: int = TOKEN_LIFE_S


@dataclass(frozen=True)
class Caller:
    """Whoever calls, with the scopes of this call."""

    id: str
    service: str
    owner: str | None
    scopes: frozenset[str]


class ClientDesk:
    """Tokens, and what a client may know of."""

    bench: Workbench

    def caller(self, token: str, now: int) -> Caller:
        """Whoever a bearer token belongs to. Raises Refused `unauthorised`."""

        def look(session: Session) -> Caller | None:
            access = session.get(AccessToken, _hash(token))
            if access is not None:
                client = session.get(Client, access.client)
                good = access.until > now and client is not None
                return _caller(client, access.scopes) if good and client is not None else None
            client = _by_secret(session, token)
            return None if client is None else _caller(client, client.scopes)

        found = self.bench.look(look)
        if found is None:
            raise Refused("unauthorised", "authorization", "a bearer token of a known client is needed")
        return found

    def caller_by_certificate(self, name: str) -> Caller | None:
        """The client whose id is the common name of a certificate that the server has verified."""

        def look(session: Session) -> Caller | None:
            client = session.get(Client, name)
            return None if client is None else _caller(client, client.scopes)

        return self.bench.look(look)

    def new_token(self, client_id: str) -> str:
        """A new secret for a client; the one before stops working, and with it every token it got."""
        secret = f"{client_id}.{secrets.token_urlsafe(TOKEN_BYTES)}"

        def keep(session: Session) -> None:
            client = session.get(Client, client_id)
            if client is None:
                raise Refused("not_found", "client", f"town.toml names no client {client_id}")
            client.token_hash = _hash(secret)
            session.execute(delete(AccessToken).where(AccessToken.client == client_id))

        self.bench.run(0, lambda minter: keep(minter.session))
        return secret

    def grant_token(self, client_id: str, secret: str, scopes: Collection[str], now: int) -> Granted:
        """A token for an hour; all the client's scopes when none are named. Raises Refused `unauthorised`,
        `bad_scope`."""

        def grant(session: Session) -> Granted:
            client = _by_secret(session, secret)
            if client is None or client.id != client_id:
                raise Refused("unauthorised", "client_secret", "no client has this id and secret")
            wanted = tuple(sorted(scopes or client.scopes))
            if not set(wanted) <= set(client.scopes):
                raise Refused("bad_scope", "scope", f"this client has {' '.join(client.scopes)}")
            token = secrets.token_urlsafe(TOKEN_BYTES)
            session.execute(delete(AccessToken).where(AccessToken.until <= now))
            access = AccessToken(token_hash=_hash(token), client=client.id, scopes=list(wanted))
            access.until = now + TOKEN_LIFE_S
            session.add(access)
            return Granted(token, wanted)

        return self.bench.run(now, lambda minter: grant(minter.session))

    def pseudonym(self, name: str) -> str:
        """A name for somebody's name or address that says nothing without this hub's store key, always the same
        (X-05)."""
        return self.bench.keyring.mark(f"pseudonym {name}")

    def doors_of(self, client: Client | Caller) -> list[str]:
        """The doors that lead to rooms the client may know of."""

        def look(session: Session) -> list[str]:
            rooms = session.scalars(questions.visible_rooms(client)).all()
            return questions.doors_to(session, rooms)

        return self.bench.look(look)

    def refs(self, client: str, grants: set[str]) -> dict[str, str]:
        """The client's own reservations among these grants: grant id -> ref."""
        query = select(Reservation.grant_id, Reservation.ref)
        query = query.where(Reservation.client == client, Reservation.grant_id.in_(grants))
        return self.bench.look(lambda session: {row.grant_id: row.ref for row in session.execute(query)})

    def known_grants(self, caller: Caller, grants: set[str]) -> set[str]:
        """Those of these grants that are for a room the caller may know of."""
        query = select(GrantBooking.grant_id).where(GrantBooking.grant_id.in_(grants))
        query = query.where(GrantBooking.room.in_(questions.visible_rooms(caller))).distinct()
        return self.bench.look(lambda session: set(session.scalars(query)))


def _by_secret(session: Session, secret: str) -> Client | None:
    """Takes the same time whichever character differs."""
    client = session.get(Client, secret.partition(".")[0])
    known = client.token_hash if client is not None and client.token_hash is not None else ""
    return client if hmac.compare_digest(known, _hash(secret)) else None


def _caller(client: Client, scopes: Collection[str]) -> Caller:
    return Caller(client.id, client.service, client.owner, frozenset(scopes) & frozenset(client.scopes))


def _hash(token: str) -> str:
    # Tokens carry 256 random bits, so a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
