"""Which doors are in service. A door that had a unit before this was asked for goes on being in service with it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from controller.formats.jwk import load_public

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """From the revision before to this one."""
    table = op.create_table(
        "door_service",
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("doctor", sa.JSON(), nullable=False),
        sa.Column("doctor_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("door"),
    )
    doors = sa.table("doors", sa.column("id"), sa.column("event_key", sa.JSON()))
    rows = [
        {
            "door": door,
            "required": False,
            "unit": load_public(key).thumbprint,
            "passed": True,
            "record": {"by": "migration"},
            "doctor": {},
        }
        for door, key in op.get_bind().execute(sa.select(doors.c.id, doors.c.event_key))
        if key is not None
    ]
    if rows:
        op.bulk_insert(table, rows)
