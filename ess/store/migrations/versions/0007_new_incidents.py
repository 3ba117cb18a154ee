"""New incidents that wait for a worker are found without looking through all that is promised.

Only adds, so that the release before still runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("deadline_new", "deadline", ["due_at"], postgresql_where=sa.text("kind = 'locate'"))
