"""Which report a note belongs to, so that it goes where its report goes.

Only adds, so that the release before still runs; what it writes belongs to the incident alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("note", sa.Column("report_id", sa.Uuid(), sa.ForeignKey("report.id"), nullable=True))
