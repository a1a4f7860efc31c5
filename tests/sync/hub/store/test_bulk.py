"""Many rows at once: what goes in comes out, on both databases, and only when the transaction ends well."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, select

from sync.hub.store.bulk import insert_rows
from sync.hub.store.models import TownService

TABLE = cast(Table, TownService.__table__)
ODD = ["plain", "with\ttab", "with\nline", "back\\slash", "\\N", "", "ë – 🔑", "NULL", "'; --"]


def test_every_value_comes_out_as_it_went_in(sessions):
    rows = [{"id": f"s{number}", "name": name} for number, name in enumerate(ODD)]
    with sessions.begin() as session:
        insert_rows(session, TABLE, rows)
        insert_rows(session, TABLE, [])
    with sessions.begin() as session:
        assert list(session.scalars(select(TownService.name).order_by(TownService.id))) == ODD


def test_it_is_part_of_the_transaction(sessions):
    with sessions() as session:
        insert_rows(session, TABLE, [{"id": "s", "name": "n"}])
        session.rollback()
    with sessions.begin() as session:
        assert session.scalars(select(TownService)).all() == []
