"""what exports of closed months take from settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "closings",
        sa.Column(
            "settings",
            sa.Text(),
            nullable=True,
            comment="JSON: settings that its exports depend on; null where it was closed before they were kept",
        ),
    )


def downgrade() -> None:
    op.drop_column("closings", "settings")
