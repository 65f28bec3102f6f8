"""Runs migrations on the connection that `app.migrate` hands over."""

from alembic import context

from app.tables import Trace

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Trace.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
