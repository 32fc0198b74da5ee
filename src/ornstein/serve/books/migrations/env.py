"""Run by Alembic: the steps, on the connection that ``migrate`` hands over, within its transaction."""

from alembic import context

from ornstein.serve.books.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
