"""Records that a log took over from an earlier one, what an evening or an incident number is looked up by, codes given
under threat, how long a town keeps names."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from alembic import op

from controller.formats.event import Event
from controller.formats.incident import incident_number

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PAGE = 1_000


def upgrade() -> None:
    """From the revision before to this one."""
    with op.batch_alter_table("log_records", schema=None) as batch_op:
        batch_op.add_column(sa.Column("again", sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table("log_statements", schema=None) as batch_op:
        batch_op.add_column(sa.Column("from_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("until_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("received", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("credentials", schema=None) as batch_op:
        batch_op.add_column(sa.Column("duress", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "log_moved",
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("log", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["cursor"], ["log_records.cursor"]),
        sa.PrimaryKeyConstraint("door", "log", "seq", "cursor"),
    )
    op.create_table(
        "log_refusals",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["cursor"], ["log_records.cursor"]),
        sa.PrimaryKeyConstraint("number", "cursor"),
    )
    op.create_table(
        "retention_rule",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    _number_refusals()


def _number_refusals() -> None:
    """Incident numbers of the refusals that are stored already, page by page."""
    connection = op.get_bind()
    records = sa.table("log_records", sa.column("cursor"), sa.column("data", sa.LargeBinary()))
    refusals = sa.table("log_refusals", sa.column("number"), sa.column("cursor"))
    cursor = 0
    while True:
        query = sa.select(records.c.cursor, records.c.data).where(records.c.cursor > cursor)
        page = connection.execute(query.order_by(records.c.cursor).limit(PAGE)).all()
        if not page:
            return
        cursor = page[-1].cursor
        events = [(row.cursor, msgspec.json.decode(row.data, type=Event)) for row in page]
        rows = [
            {"number": incident_number(event.door, event.log, event.seq), "cursor": place}
            for place, event in events
            if event.kind == "refused"
        ]
        if rows:
            connection.execute(refusals.insert(), rows)
