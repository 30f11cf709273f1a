"""Search in what was said"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from centralita.timeline.words import index_of

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SQLITE = (
    """
CREATE VIRTUAL TABLE search_index USING fts5(
    words, content='search_texts', content_rowid='id', prefix='2 3',
    tokenize="unicode61 remove_diacritics 0"
)""",
    """
CREATE TRIGGER search_texts_inserted AFTER INSERT ON search_texts BEGIN
    INSERT INTO search_index(rowid, words) VALUES (new.id, new.words);
END""",
    """
CREATE TRIGGER search_texts_deleted AFTER DELETE ON search_texts BEGIN
    INSERT INTO search_index(search_index, rowid, words) VALUES ('delete', old.id, old.words);
END""",
    """
CREATE TRIGGER search_texts_updated AFTER UPDATE ON search_texts BEGIN
    INSERT INTO search_index(search_index, rowid, words) VALUES ('delete', old.id, old.words);
    INSERT INTO search_index(rowid, words) VALUES (new.id, new.words);
END""",
)
_POSTGRES = (
    "CREATE INDEX search_index ON search_texts"
    " USING gin (array_to_tsvector(string_to_array(words, ' ')))"
)
_ENTRIES = "SELECT id, '', subject, body, notes FROM interactions"
_TRANSCRIPTS = (
    "SELECT i.id, t.recording_id, t.text, '', '' FROM transcripts t"
    " JOIN recordings r ON r.id = t.recording_id JOIN interactions i ON i.call_id = r.call_id"
)
_BATCH = 1000


def upgrade() -> None:
    texts = op.create_table(
        "search_texts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("interaction_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["interaction_id"],
            ["interactions.id"],
            name="fk_search_texts_interaction_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_search_texts"),
        sa.UniqueConstraint(
            "interaction_id", "source", name="uq_search_texts_interaction_id_source"
        ),
    )
    connection = op.get_bind()
    statements = _SQLITE if connection.dialect.name == "sqlite" else (_POSTGRES,)
    for statement in statements:
        op.execute(statement)
    for query in (_ENTRIES, _TRANSCRIPTS):
        # All at once: a cursor that stays open would not survive our own inserts on both databases.
        found = connection.execute(sa.text(query)).all()
        rows = [
            {"interaction_id": entry, "source": source, "words": words}
            for entry, source, *said in found
            if (words := index_of(*said))
        ]
        for start in range(0, len(rows), _BATCH):
            op.bulk_insert(texts, rows[start : start + _BATCH])
