"""A photo that LINE does not give yet is asked for again, is nobody's alarm, and is not asked for for ever."""

from datetime import timedelta
from uuid import uuid4

from sqlmodel import select
from story import Story

from config.settings import Settings
from ess import attachments
from ess.domain.errors import TransientFailure
from ess.engine import Engine
from ess.store import tables
from schedules import audit


class Preparing:
    """LINE, which is still preparing what was sent."""

    def fetch(self, message_id: str) -> attachments.Content:
        raise TransientFailure(f"LINE is still preparing {message_id}")


def test_a_photo_that_line_never_gives_is_asked_for_for_a_day(story: Story, engine: Engine, settings: Settings) -> None:
    chat_id, photo = uuid4().bytes, {"id": str(uuid4()), "type": "image"}
    store = story.deployment.store  # which wakes nobody
    with store.transaction() as tx:
        tx.session.add(tables.Chat(id=chat_id, draft={}, updated_at=tx.now))
        tx.session.flush()
        attachments.keep(tx, chat_id, None, photo)
    due = select(tables.Deadline).where(tables.Deadline.subject == photo["id"])

    def asked(*, sent: timedelta) -> tables.Deadline | None:
        """What is promised of the photo, sent so long ago, after LINE was asked for it."""
        with store.transaction() as tx:
            row = tx.session.exec(due.with_for_update()).one()
            tx.session.get_one(tables.Attachment, photo["id"]).received_at = tx.now - sent
            # Nobody else takes it meanwhile.
            row.due_at, row.wake_at = tx.now - timedelta(minutes=1), tx.now + timedelta(minutes=1)
            deadline_id = row.id
        assert deadline_id is not None
        attachments.fetch(engine, Preparing(), deadline_id)
        with store.transaction() as tx:
            return tx.session.exec(due).first()

    again = asked(sent=timedelta(hours=23))
    assert again is not None
    assert audit.audit(engine, settings) == {}, "nobody is told that something is late"
    assert asked(sent=timedelta(hours=25)) is None
