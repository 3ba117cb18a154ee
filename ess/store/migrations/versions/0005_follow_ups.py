"""When a follow-up is to be asked for and was promised for at first, when it was tried, and which service is needed.

Only adds, so that the release before still runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("follow_up", sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("follow_up", sa.Column("promised_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("follow_up", sa.Column("tried", postgresql.JSONB(), nullable=True))
    op.add_column("follow_up", sa.Column("service", sa.String(), nullable=True))
