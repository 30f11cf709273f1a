"""How far a message is: tries, when it is tried again, why it has not gone"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "outbox", sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("outbox", sa.Column("tried_since", _TIME, nullable=True))
    op.add_column("outbox", sa.Column("next_at", _TIME, nullable=True))
    for name in ("trouble", "answer"):
        op.add_column(
            "outbox", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''"))
        )
    op.add_column("outbox", sa.Column("sent_at", _TIME, nullable=True))
    # What waited until now is due.
    op.execute("UPDATE outbox SET next_at = created_at")
    op.create_index(
        "ix_outbox_channel_status_next_at_id", "outbox", ["channel", "status", "next_at", "id"]
    )
