"""How long people take by road to a neighbourhood, where a router has said it.

Only adds, so that the release before still runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "travel_time",
        sa.Column("neighbourhood", sa.String(), nullable=False),
        sa.Column("responder_id", sa.Uuid(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("minutes", sa.Float(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["responder_id"], ["responder.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("neighbourhood", "responder_id", name="travel_time_pkey"),
    )
    op.create_index("ix_travel_time_responder_id", "travel_time", ["responder_id"])
