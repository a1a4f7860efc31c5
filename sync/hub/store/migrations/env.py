"""What Alembic runs for `zaalsleutel hub migrate`: the connection comes from `migrate.py`, the wanted tables from
`tables.py`. One transaction for everything, so a failed migration leaves the database as it was."""

from alembic import context

from sync.hub.store import tables
from sync.hub.store.database import Base

assert tables.ALL

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # SQLite alters a table by making it anew.
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
context.run_migrations()
