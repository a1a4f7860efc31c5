"""Openings no longer refer to their records: the look at each record cost the collector more than storing the row."""

from collections.abc import Sequence

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As PostgreSQL named it; SQLite knows no name, so it is found by this pattern.
NAME = "log_openings_cursor_fkey"
PATTERN = {"fk": "%(table_name)s_%(column_0_name)s_fkey"}


def upgrade() -> None:
    """From the revision before to this one."""
    with op.batch_alter_table("log_openings", naming_convention=PATTERN) as batch_op:
        batch_op.drop_constraint(NAME, type_="foreignkey")
