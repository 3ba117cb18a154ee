"""Jurisdictions, skills and duty of responders; neighbouring incidents; official outlines; linking and roll calls.

Only adds, so that the release before still runs.  Whoever it imports meanwhile has no jurisdiction yet: import the
roster again when the upgrade is complete.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _incidents()
    _responders()
    _duty()
    _linking()
    _places()


def _incidents() -> None:
    op.add_column("incident", sa.Column("cell", sa.LargeBinary(), nullable=True))
    op.create_index("incident_near", "incident", ["cell", "received_at"], postgresql_where=sa.text("cell IS NOT NULL"))
    op.create_index("alert_responder", "alert", ["responder_id", "created_at"])


def _responders() -> None:
    op.add_column("responder", sa.Column("outline", postgresql.JSONB(), nullable=True))
    op.add_column("responder", sa.Column("skills", sa.ARRAY(sa.String()), nullable=False, server_default="{}"))
    op.add_column("responder", sa.Column("capacity", sa.Integer(), nullable=True))
    op.add_column("responder", sa.Column("rest_s", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("responder", sa.Column("line_verified_at", _INSTANT, nullable=True))
    op.add_column("responder", sa.Column("phone_verified_at", _INSTANT, nullable=True))
    op.create_table(
        "jurisdiction",
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("area_code", sa.String(collation="C"), nullable=False),
        sa.Column("responder_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("role", "area_code", "responder_id", name="jurisdiction_pkey"),
        sa.ForeignKeyConstraint(["responder_id"], ["responder.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_jurisdiction_responder_id", "jurisdiction", ["responder_id"])
    op.execute(
        "INSERT INTO jurisdiction (role, area_code, responder_id)"
        " SELECT role, coalesce(district_code, province_code, 'TH'), id FROM responder"
    )


def _duty() -> None:
    op.create_table(
        "rota",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("area_code", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_rota_area_code", "rota", ["area_code"])
    op.create_table(
        "cover",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rota", sa.String(), nullable=False),
        sa.Column("starts_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.Column("ref", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["rota"], ["rota.name"], ondelete="CASCADE"),
    )
    op.create_index("cover_of_rota", "cover", ["rota", "ends_at"])


def _linking() -> None:
    op.create_table(
        "link_code",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("responder_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("used_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["responder_id"], ["responder.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_link_code_responder_id", "link_code", ["responder_id"])
    op.create_table(
        "roll_call",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", _INSTANT, nullable=False),
        sa.Column("closes_at", _INSTANT, nullable=False),
        sa.Column("reported_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "roll_call_answer",
        sa.Column("roll_call_id", sa.Uuid(), nullable=False),
        sa.Column("responder_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("answered_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("roll_call_id", "responder_id"),
        sa.ForeignKeyConstraint(["roll_call_id"], ["roll_call.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["responder_id"], ["responder.id"], ondelete="CASCADE"),
    )


def _places() -> None:
    op.create_table(
        "outline_set",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("levels", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", _INSTANT, nullable=False),
        sa.Column("withdrawn_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "geocode",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("found", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
