"""Whose phone may ring: a responder's for an alert, or how far they are, or for the call that they asked for.

Whatever anybody decides.
"""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from ess.channels.envelope import Message
from ess.domain.duty import Channel
from ess.outbox import queue
from ess.store import Transaction
from ess.store.bridges import BRIDGE

ID = UUID(int=1)
#: Refused before anything is written.
NO_TRANSACTION = cast(Transaction, None)


@pytest.mark.parametrize(
    ("key", "about"),
    [
        ("received", {}),
        ("alert", {"alert_id": ID}),
        ("alert", {"responder_id": ID}),
        ("alert", {"responder_id": ID, "follow_up_id": ID}),
        ("next", {"responder_id": ID, "alert_id": ID}),
        ("departed_yet", {"alert_id": ID}),
        ("arrived_yet", {"responder_id": ID, "follow_up_id": ID}),
        ("follow_up", {"responder_id": ID, "follow_up_id": ID}),
        ("follow_up_reminder", {"responder_id": ID, "follow_up_id": ID}),
        (BRIDGE, {"follow_up_id": ID}),
        (BRIDGE, {"responder_id": ID}),
        (BRIDGE, {"responder_id": ID, "alert_id": ID}),
    ],
)
def test_nobody_elses_phone_rings(key: str, about: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="only a responder's phone may ring"):
        queue(
            NO_TRANSACTION,
            Channel.VOICE,
            "+66100000000",
            (Message("x"),),
            key,
            datetime(2026, 1, 1, tzinfo=UTC),
            **about,
        )
