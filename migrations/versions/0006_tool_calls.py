"""calls of tools whose fees are not booked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATED = sa.text("tool_calls IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "usage_records",
        sa.Column(
            "tool_calls",
            BIGINT,
            nullable=True,
            comment="calls of tools that the gateway bills beside the tokens: counted, never priced; null for none",
        ),
    )
    op.create_index(
        "ix_usage_records_tool_calls", "usage_records", ["tool_calls"], sqlite_where=STATED, postgresql_where=STATED
    )


def downgrade() -> None:
    op.drop_index("ix_usage_records_tool_calls", table_name="usage_records")
    op.drop_column("usage_records", "tool_calls")
