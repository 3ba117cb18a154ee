"""What has an unknown outcome is looked for first, and what Twilio has of one message is not taken for another's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from stack import Deployment, wait_for

from config.settings import Settings
from ess.channels.envelope import Envelope, Message
from ess.channels.sms import SmsChannel
from ess.channels.voice import VoiceChannel
from ess.store import tables
from ess.wake import SEND

PHONE = "+66100000042"  # no Thai number begins with 1


@pytest.fixture
def settings(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in deployment.stack.environment.items():
        if name.startswith("ESS_"):
            monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def sms(settings: Settings) -> SmsChannel:
    return SmsChannel(settings)


@pytest.fixture
def voice(settings: Settings) -> VoiceChannel:
    return VoiceChannel(settings)


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


@pytest.fixture
def dead_call(deployment: Deployment) -> Callable[..., UUID]:
    """Writes down a delivery whose worker died in the call."""

    def written(
        channel: str,
        to: str,
        words: str,
        *,
        ago: timedelta,
        token: str | None = None,
        responder_id: UUID | None = None,
    ) -> UUID:
        message = {"text": words, "buttons": [], "prompt": None, "alt": None}
        with deployment.store.transaction() as tx:
            row = tables.Delivery(
                channel=channel,
                message="reply",
                envelope={"to": to, "messages": [message]},
                reply_token=token,
                responder_id=responder_id,
                state="sending",
                attempt=1,
                claimed_until=tx.now,
                created_at=tx.now - ago,
                expires_at=tx.now + timedelta(minutes=5),
            )
            tx.session.add(row)
            due = tables.Deadline(kind=SEND, subject=str(row.id), due_at=tx.now, wake_at=tx.now)
            tx.session.add(due)
            return row.id

    return written


def state_of(deployment: Deployment, delivery_id: UUID) -> str:
    with deployment.store.transaction() as tx:
        return tx.session.get_one(tables.Delivery, delivery_id).state


def test_who_died_in_the_call_is_looked_up_also_after_the_channel_was_down(
    deployment: Deployment, sms: SmsChannel, dead_call: Callable[..., UUID]
) -> None:
    words = "taken, and nobody wrote it down"
    sms.send(Envelope(id=uuid4(), to=PHONE, messages=(Message(words),), valid_for_s=60))
    with deployment.store.transaction() as tx:
        outage = {"reason": "five failures in a row", "began_at": tx.now, "until": tx.now + timedelta(seconds=2)}
        tx.session.add(tables.Outage(channel="sms", **outage))
    delivery_id = dead_call("sms", PHONE, words, ago=timedelta(seconds=20))
    wait_for(lambda: state_of(deployment, delivery_id) in {"sent", "delivered"}, "it is sent")
    shown = [entry for entry in deployment.sim.get("/sim/ledger").json() if entry["text"] == words]
    assert len(shown) == 1
    assert deployment.count("SELECT count(*) FROM outage") == 0


def test_a_reply_that_was_perhaps_said_is_not_said_again_when_its_token_is_too_old(
    deployment: Deployment, dead_call: Callable[..., UUID]
) -> None:
    somebody, words = f"U{uuid4().hex}", "บันทึกไว้แล้วหรือยังไม่รู้"
    delivery_id = dead_call("line", somebody, words, ago=timedelta(seconds=36), token="used")
    wait_for(lambda: state_of(deployment, delivery_id) == "expired", "nobody asks any more")
    assert not [entry for entry in deployment.sim.get("/sim/ledger").json() if entry["text"] == words]


def test_a_call_to_who_shares_the_phone_is_not_taken_for_ones_own(
    deployment: Deployment, voice: VoiceChannel, dead_call: Callable[..., UUID]
) -> None:
    """Calls have no words by which they could be told apart."""
    phone, index = "+66100000043", deployment.store.vault.index
    sid = voice.send(Envelope(id=uuid4(), to=phone, messages=(Message(""),), valid_for_s=60))
    with deployment.store.transaction() as tx:
        one, other = (
            tables.Responder(
                ref=f"shares-{number}",
                name_th="หน่วยทดสอบ",
                name_en="Test unit",
                agency="test",
                role="police_station",
                phone=phone,
                phone_index=index(phone),
                channels=["voice"],
                active=False,
            )
            for number in range(2)
        )
        tx.session.add_all((one, other))
        tx.session.flush()
        times = {"expires_at": tx.now, "created_at": tx.now}
        taken = tables.Delivery(channel="voice", message="alert", envelope={"to": phone}, state="sent", **times)
        taken.responder_id, taken.provider_ref = other.id, sid
        tx.session.add(taken)
    delivery_id = dead_call("voice", phone, "", ago=timedelta(seconds=20), responder_id=one.id)
    wait_for(lambda: state_of(deployment, delivery_id) not in {"queued", "sending"}, "it is sent")
    with deployment.store.transaction() as tx:
        assert tx.session.get_one(tables.Delivery, delivery_id).provider_ref not in {None, sid}
