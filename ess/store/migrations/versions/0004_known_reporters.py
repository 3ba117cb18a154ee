"""Who reports again, and whose reports were found to be false.

Only adds, so that the release before still runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("incident", sa.Column("false_report", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("report", sa.Column("line_index", sa.LargeBinary(), nullable=True))
    op.create_index("report_line", "report", ["line_index"])
