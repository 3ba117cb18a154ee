"""Answers by link and in their turn by each channel; photos and voice notes; grades; what a social worker wrote.

Only adds, so that the release before still runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("responder", sa.Column("channel_after_s", sa.ARRAY(sa.Integer()), nullable=True))
    op.add_column("report", sa.Column("in_danger", sa.Boolean(), nullable=True))
    op.add_column("incident", sa.Column("grade", sa.String(), nullable=True))
    op.add_column("follow_up", sa.Column("details", sa.LargeBinary(), nullable=True))
    op.create_table(
        "answer_link",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
    )
    op.create_index("ix_answer_link_alert_id", "answer_link", ["alert_id"])
    op.create_table(
        "attachment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("chat_id", sa.LargeBinary(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("fetched_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["chat_id"], ["chat.id"]),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"]),
    )
    op.create_index("attachment_waiting", "attachment", ["chat_id"], postgresql_where=sa.text("incident_id IS NULL"))
    op.create_index("ix_attachment_incident_id", "attachment", ["incident_id"])
