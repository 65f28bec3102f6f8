"""An index of the words of prompts and responses: FTS5 on SQLite, GIN on PostgreSQL."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FILL = """
INSERT INTO search_words (rowid, prompt, response)
SELECT search_entry.id, interaction.prompt, interaction.response
FROM search_entry JOIN interaction ON interaction.id = search_entry.interaction_id
"""
WORDS = (
    "to_tsvector('simple', regexp_replace(left(interaction.prompt, 60000) || ' ' || "
    "left(interaction.response, 60000), '[-!-/_{|}~`^@?=<>;:]+', ' ', 'g'))"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE INDEX search_interaction ON interaction USING gin (({WORDS}))")
        return
    op.execute(
        "CREATE TABLE search_entry (id INTEGER PRIMARY KEY, interaction_id VARCHAR NOT NULL UNIQUE)"
    )
    op.execute(
        "CREATE VIRTUAL TABLE search_words USING fts5 "
        "(prompt, response, tokenize = 'unicode61 remove_diacritics 0')"
    )
    op.execute("INSERT INTO search_entry (interaction_id) SELECT id FROM interaction")
    op.execute(FILL)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX search_interaction")
        return
    op.execute("DROP TABLE search_words")
    op.execute("DROP TABLE search_entry")
