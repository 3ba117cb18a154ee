"""Two messages of the same words to one phone: what Twilio has of the one is not taken for the other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from stack import Deployment, wait_for

from config.settings import Settings
from ess.channels.envelope import Envelope, Message
from ess.channels.sms import SmsChannel
from ess.store import tables

PHONE = "+66100000042"  # no Thai number begins with 1


@pytest.fixture
def sms(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> SmsChannel:
    for name, value in deployment.stack.environment.items():
        if name.startswith("ESS_"):
            monkeypatch.setenv(name, value)
    return SmsChannel(Settings())


def test_what_is_known_to_be_anothers_is_not_found(sms: SmsChannel) -> None:
    first = Envelope(id=uuid4(), to=PHONE, messages=(Message("the same words"),), valid_for_s=60)
    sid = sms.send(first)
    asked_again = replace(first, id=uuid4(), doubtful_since=datetime.now(UTC) - timedelta(minutes=1))
    assert sms.send(asked_again) == sid, "an attempt whose outcome is unknown is looked for"
    assert sms.send(replace(asked_again, not_these=frozenset({sid}))) != sid


def test_a_receipt_counts_for_both_that_were_taken_for_one(deployment: Deployment, sms: SmsChannel) -> None:
    sid = sms.send(Envelope(id=uuid4(), to=PHONE, messages=(Message("once more"),), valid_for_s=60))
    at = datetime.now(UTC)
    twins = [
        tables.Delivery(
            channel="sms", message="reply", envelope={"to": PHONE}, state="sent", expires_at=at, created_at=at
        )
        for _ in range(2)
    ]
    with deployment.store.transaction() as tx:
        for twin in twins:
            twin.provider_ref = sid
            tx.session.add(twin)
    answer = deployment.sim.post(f"/sim/sms/messages/{sid}/status", json={"status": "delivered", "code": None})
    assert answer.is_success, answer.text

    delivered = f"SELECT count(*) FROM delivery WHERE provider_ref = '{sid}' AND state = 'delivered'"
    wait_for(lambda: deployment.count(delivered) == len(twins), "both are delivered")
