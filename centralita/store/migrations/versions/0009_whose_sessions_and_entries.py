"""What a session does and since when it is quiet; who made an entry, and when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_EMPTY = sa.text("''")


def upgrade() -> None:
    # Whoever is signed in now has just been heard of: an upgrade signs nobody out.
    op.add_column(
        "sessions",
        sa.Column("used_at", _TIME, nullable=False, server_default=sa.text("'2000-01-01'")),
    )
    op.execute("UPDATE sessions SET used_at = CURRENT_TIMESTAMP")
    for name in ("address", "program"):
        op.add_column("sessions", sa.Column(name, sa.Text(), nullable=False, server_default=_EMPTY))
    # NULL: it began before this was kept, and its page may be a phone.
    op.add_column("sessions", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column(
        "interactions", sa.Column("created_by", sa.Text(), nullable=False, server_default=_EMPTY)
    )
    op.add_column("interactions", sa.Column("created_at", _TIME, nullable=True))
    op.add_column(
        "interactions",
        sa.Column("by_hand", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
