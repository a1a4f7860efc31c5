"""Who wants to be told of events over HTTP: the table and its rules. Sending is `webhooks.py`, where to `reach.py`.

A subscription is a place in the feed: events after its cursor are sent one by one, in order, each until it is taken. So
nothing is lost while the other side is down, and an event may come twice (always under the same id).
"""

from __future__ import annotations

import secrets

from sqlalchemy import JSON, BigInteger, LargeBinary, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats.errors import Refused
from sync.hub.keys.keyring import Keyring
from sync.hub.store.database import Base
from sync.hub.town.clients import Caller

PER_CLIENT = 20
SECRET_BYTES = 32


class Subscription(Base):
    """`types` are event types or their prefixes (`access.*`); empty for all. `dead` once the other side said 410 or
    failed for three days; `last_error` is a status or a kind of failure, never a body; `leased_until` keeps other hub
    processes away while one is sending."""

    __tablename__ = "subscriptions"
    id: Mapped[str] = mapped_column(primary_key=True)
    client: Mapped[str] = mapped_column(index=True)
    url: Mapped[str]
    types: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    cursor: Mapped[int] = mapped_column(BigInteger)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[int] = mapped_column(BigInteger, default=0)
    failing_since: Mapped[int | None] = mapped_column(BigInteger)
    last_error: Mapped[str | None]
    leased_until: Mapped[int | None] = mapped_column(BigInteger)
    dead: Mapped[bool] = mapped_column(default=False)

    def wants(self, kind: str) -> bool:
        """Whether events of this type are to be sent."""
        return not self.types or any(kind == each or kind.startswith(each.removesuffix("*")) for each in self.types)


def add(
    session: Session, keyring: Keyring, caller: Caller, url: str, types: list[str], cursor: int
) -> tuple[Subscription, str]:
    """A new subscription from `cursor` on, and its secret, which is shown only now. Raises Refused
    `bad_request`."""
    count = session.scalar(select(func.count()).select_from(Subscription).where(Subscription.client == caller.id))
    if (count or 0) >= PER_CLIENT:
        raise Refused("bad_request", "url", f"a client has at most {PER_CLIENT} subscriptions")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = Subscription(id=f"s-{secrets.token_hex(8)}", client=caller.id, url=url, types=types, cursor=cursor)
    row.scopes = sorted(caller.scopes)
    row.sealed_secret = keyring.seal(secret.encode(), row.id)
    session.add(row)
    session.flush()
    return row, secret


def of_client(session: Session, client: str) -> list[Subscription]:
    """A client's subscriptions, dead ones too."""
    return list(session.scalars(select(Subscription).where(Subscription.client == client).order_by(Subscription.id)))


def one(session: Session, client: str, name: str) -> Subscription:
    """Raises Refused `not_found`."""
    row = session.get(Subscription, name)
    if row is None or row.client != client:
        raise Refused("not_found", "id", f"there is no subscription {name}")
    return row


def revive(row: Subscription) -> None:
    """Try a dead or failing endpoint again, from where it stopped."""
    row.dead, row.tries, row.next_try_at, row.failing_since = False, 0, 0, None
