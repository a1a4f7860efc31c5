"""Lists are made beside the calls that ask for them; who may book a room, and from when on; how codes were handed
over."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """From the revision before to this one."""
    op.create_table(
        "list_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_list_requests_door", "list_requests", ["door"])
    op.create_table(
        "handovers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("grant_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_handovers_grant_id", "handovers", ["grant_id"])
    op.add_column("pin_marks", sa.Column("whole", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("deliveries", sa.Column("asked", sa.Integer(), server_default="1", nullable=False))
    op.add_column("deliveries", sa.Column("since", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("clients", sa.Column("handovers", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("rooms", sa.Column("client", sa.String(), nullable=True))
    op.add_column("rooms", sa.Column("next_client", sa.String(), nullable=True))
    op.add_column("rooms", sa.Column("moves_at", sa.BigInteger(), nullable=True))
