"""Run by Alembic with the connection that `database.upgrade` gives it."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from centralita.store.tables import Base

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection)
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
context.run_migrations()
