"""Since which list a door holds the key that its group has now. Doors that are there have held it all along."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """From the revision before to this one."""
    op.add_column("doors", sa.Column("keyed_at", sa.BigInteger(), server_default="0", nullable=False))
