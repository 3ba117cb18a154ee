"""Who is asked beside whoever has a track.

Only adds, so that the release before still runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("alert", sa.Column("backup", sa.Boolean(), nullable=False, server_default=sa.text("false")))
