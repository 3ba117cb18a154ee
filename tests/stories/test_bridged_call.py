"""A social worker calls a victim through the engine: both are rung by its number, and neither sees the other's.

`running_amok` is called at any hour here, so that these stories are told on days off too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery
from sqlmodel import select
from stack import Deployment
from story import CHIANG_RAI, Citizen, Incident, Phone, Responder, Story
from twilio.request_validator import RequestValidator

from ess.domain.duty import Channel
from ess.store import tables

BY = Channel.VOICE
CALL = "ขอให้โทรติดตามผู้เสียหาย"
BUTTON = "โทรผ่านระบบ"
RINGS = "ระบบกำลังโทรหาท่าน"
ASK_FIRST = "โปรดถามก่อนว่าปลอดภัยที่จะคุยหรือไม่"
NOT_CONNECTED = "ยังไม่ได้ต่อสาย เหตุ"
A_CALL = "CA" + "1" * 32
OURS = "+15005550006"
LINE_AND_PHONE = (Channel.LINE, Channel.SMS)


# --- who there is ----------------------------------------------------------------------------------------
def a_victim(story: Story, *, line: bool = False) -> Citizen:
    """Somebody who hears of their report what the public was promised."""
    victim = story.citizen(line=line)
    victim.may_hear("รับเรื่องแล้ว")
    victim.may_hear("รับทราบแล้ว")
    victim.may_hear("เจ้าหน้าที่แจ้งว่ายุติแล้ว")
    return victim


def a_worker(story: Story) -> Responder:
    """A social worker with LINE, and a phone in the roster."""
    return story.social_worker(CHIANG_RAI, LINE_AND_PHONE)


def is_over(story: Story, incident: Incident) -> None:
    """Its station came and says that the danger is over."""
    station = next(person for person in story.people.values() if person.name.startswith("police_station"))
    assert isinstance(station, Responder)
    station.may_hear("")
    station.hears("เหตุด่วน")
    assert incident.answer_for(station, "accept").status_code == 200
    assert incident.answer_for(station, "resolve").status_code == 200
    incident.told("follow_up_opened")


def reported(story: Story, victim: Citizen, contact: str = "any") -> Incident:
    """By an app, with a phone and how its owner wants to be contacted."""
    story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    return victim.reports_by_api("running_amok", at=CHIANG_RAI, contact=contact)


def over(story: Story, victim: Citizen, contact: str = "any") -> Incident:
    """An incident that was reported, and is over."""
    incident = reported(story, victim, contact)
    is_over(story, incident)
    return incident


def asks_for_the_call(worker: Responder) -> Phone:
    """A tap on the card, and the worker's own phone rings."""
    worker.hears(CALL)
    worker.taps(BUTTON)
    worker.hears(RINGS)
    return worker.rings()


def presses_1(worker: Responder, phone: Phone) -> None:
    """After having heard what to ask first."""
    assert ASK_FIRST in phone.is_picked_up()["text"]
    phone.presses("1")
    worker.hears("กำลังต่อสาย", by=BY)


def calls_to(story: Story, phone: str | None) -> list[dict[str, Any]]:
    return [entry for entry in story.ledger() if entry["kind"] == "call" and entry["person"] == phone]


def offers_a_call(card: dict[str, Any]) -> bool:
    return BUTTON in str(card["messages"])


# --- it goes well ----------------------------------------------------------------------------------------
def test_a_victim_is_reached_and_neither_sees_the_others_number(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    with everything_that_flower_sees(story.deployment) as seen:
        phone = asks_for_the_call(worker)
        said = phone.is_picked_up()["text"]
        assert " ".join(incident.code) in said
        assert ASK_FIRST in said
        assert calls_to(story, victim.phone) == [], "nobody is rung before the digit"
        phone.presses("1")
        worker.hears("กำลังต่อสาย", by=BY)

        theirs = victim.rings()
        assert (phone.sees, theirs.sees) == (OURS, OURS)
        theirs.is_answered()
        theirs.is_connected()
        phone.is_connected()
        theirs.hangs_up()
        worker.hears("สายสิ้นสุดแล้ว โปรดบันทึกผล", by=BY)
        worker.hears("สายสิ้นสุดแล้ว เหตุ")
        assert incident.told("follow_up_call_bridged", responder=worker.ref)["duration_s"] >= 0
        incident.told("delivery_delivered", message="bridge", channel="voice")
        assert incident.now["follow_ups"][0]["state"] == "open", "that they could talk is not yet an outcome"
        worker.taps("ติดต่อได้แล้ว")
        worker.hears("บันทึกผลการโทรติดตามแล้ว")
        incident.reaches("closed")

    assert victim.phone
    assert worker.phone
    on_theirs, on_ours = (
        [entry for entry in story.ledger() if entry["person"] in {person.phone, person.line_id}]
        for person in (victim, worker)
    )
    assert victim.phone not in str(on_ours)
    assert worker.phone not in str(on_theirs)
    told = [incident.timeline, incident.now["follow_ups"], seen]
    told.append(
        story.deployment.log_text(*(each.name for each in story.deployment.programs if each.name != "simulator"))
    )
    assert len(seen) > 5
    for number in (victim.phone, worker.phone):
        assert number not in str(told)
        assert number.removeprefix("+66") not in str(told)


@contextmanager
def everything_that_flower_sees(deployment: Deployment) -> Iterator[list[dict[str, Any]]]:
    """The events of the workers, from now on."""
    seen: list[dict[str, Any]] = []
    with Celery(broker=deployment.services.broker_url, set_as_current=False) as app, app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})
        listening = threading.Thread(target=lambda: list(receiver.itercapture(limit=None, timeout=60)), daemon=True)
        listening.start()
        try:
            yield seen
        finally:
            receiver.should_stop = True
            listening.join(timeout=10)


def test_a_supervisor_to_whom_the_call_has_gone_makes_it(story: Story) -> None:
    victim, supervisor = a_victim(story), story.supervisor(LINE_AND_PHONE)
    incident = over(story, victim)
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด หรือไม่มีผู้รับผิดชอบ")
    supervisor.taps("รับดูแลเอง")
    supervisor.hears("ขอให้โทรติดตามผู้เสียหาย")
    supervisor.taps(BUTTON)
    supervisor.hears(RINGS)
    presses_1(supervisor, supervisor.rings())
    theirs = victim.rings()
    theirs.is_answered()
    theirs.is_connected()
    theirs.hangs_up()
    supervisor.hears("สายสิ้นสุดแล้ว โปรดบันทึกผล", by=BY)
    supervisor.hears("สายสิ้นสุดแล้ว เหตุ")
    incident.told("follow_up_call_bridged", responder=supervisor.ref)


# --- nobody is there -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("habit", "why"),
    [("no_answer", "no_answer"), ("busy", "busy"), ("machine", "machine"), ("silent", "machine")],
)
def test_a_victim_who_does_not_answer_is_not_reached_and_a_machine_hears_nothing(
    story: Story, habit: str, why: str
) -> None:
    victim, worker = a_victim(story), a_worker(story)
    victim.lets_it(habit)
    incident = over(story, victim)
    presses_1(worker, asks_for_the_call(worker))
    victim.rings()
    worker.hears("ติดต่อปลายสายไม่ได้", by=BY)
    card = worker.hears("ติดต่อปลายสายไม่ได้ เหตุ")
    assert incident.told("follow_up_call_unanswered", responder=worker.ref)["why"] == why
    assert not [entry for entry in story.ledger() if entry["kind"] == "connected"]
    assert offers_a_call(card), "it may be tried again"
    worker.taps("ไม่รับสาย")
    worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.told("follow_up_no_answer")


def test_a_worker_who_hangs_up_first_is_asked_for_the_outcome_all_the_same(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    phone = asks_for_the_call(worker)
    presses_1(worker, phone)
    victim.rings()
    phone.hangs_up()
    worker.hears("ติดต่อปลายสายไม่ได้ เหตุ")
    assert incident.told("follow_up_call_unanswered")["why"] == "given_up"


@pytest.mark.parametrize("habit", ["silent", "machine", "busy", "no_answer"])
def test_who_presses_nothing_connects_nobody(story: Story, habit: str) -> None:
    victim, worker = a_victim(story), a_worker(story)
    worker.lets_it(habit)
    incident = over(story, victim)
    asks_for_the_call(worker)
    worker.may_hear(ASK_FIRST)
    worker.may_hear("ยังไม่มีการกด 1")
    assert offers_a_call(worker.hears(NOT_CONNECTED))
    incident.told("delivery_failed", message="bridge")
    assert calls_to(story, victim.phone) == []


def test_another_digit_connects_nobody(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    over(story, victim)
    phone = asks_for_the_call(worker)
    phone.is_picked_up()
    phone.presses("2")
    worker.hears("ไม่มีตัวเลือกนี้", by=BY)
    phone.hangs_up()
    worker.hears(NOT_CONNECTED)
    assert calls_to(story, victim.phone) == []


@pytest.mark.parametrize("fault", [{"kind": "error_code", "code": 21211}, {"kind": "undelivered"}])
def test_a_worker_whose_phone_cannot_be_rung_reads_so_and_the_victims_does_not_ring(
    story: Story, fault: dict[str, Any]
) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    story.breaks("twilio", to=worker.phone, **fault)
    worker.hears(CALL)
    worker.taps(BUTTON)
    worker.hears(RINGS)
    worker.hears(NOT_CONNECTED)
    incident.told("delivery_failed", message="bridge")
    assert calls_to(story, victim.phone) == []


def test_a_call_that_could_not_be_placed_in_time_rings_nobody_any_more(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    story.breaks("twilio", kind="500", to=worker.phone, times=None)
    worker.hears(CALL)
    worker.taps(BUTTON)
    worker.hears(RINGS)
    incident.told("delivery_retried", message="bridge")
    passed = "UPDATE delivery SET expires_at = statement_timestamp() WHERE message = 'bridge' RETURNING 1"
    story.deployment.count(f"WITH old AS ({passed}) SELECT count(*) FROM old")
    worker.hears(NOT_CONNECTED)
    story.deployment.mend()
    worker.taps(BUTTON)
    worker.hears(RINGS)
    worker.rings().hangs_up()
    worker.hears(NOT_CONNECTED)
    assert calls_to(story, victim.phone) == []


def test_a_call_whose_beginning_nobody_heard_of_rings_once(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    over(story, victim)
    story.breaks("twilio", "drop_after_accept", to=worker.phone)
    presses_1(worker, asks_for_the_call(worker))
    victim.rings().hangs_up()
    worker.hears("ติดต่อปลายสายไม่ได้", by=BY)
    worker.hears("ติดต่อปลายสายไม่ได้ เหตุ")
    story.deployment.settle()
    assert len(calls_to(story, worker.phone)) == 1


# --- it is not allowed -----------------------------------------------------------------------------------
@pytest.mark.parametrize("contact", ["text_only", "none"])
def test_where_the_victim_does_not_want_a_call_there_is_no_button_and_a_forged_tap_is_refused(
    story: Story, contact: str
) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim, contact)
    assert not offers_a_call(worker.hears(CALL))
    worker.presses_again(f"do=call&follow_up={incident.now['follow_ups'][0]['follow_up_id']}")
    worker.hears("ระบบไม่ได้โทรให้: ผู้แจ้งไม่ประสงค์ให้โทรหา")
    assert incident.told("follow_up_call_refused")["why"] == "not_wished"
    assert calls_to(story, worker.phone) == []


def test_the_strictest_of_all_who_reported_decides(story: Story) -> None:
    victim, witness, worker = a_victim(story), a_victim(story), a_worker(story)
    incident = reported(story, victim)
    witness.witnesses(incident, "running_amok", CHIANG_RAI, contact="text_only")
    is_over(story, incident)
    assert not offers_a_call(worker.hears(CALL))


def test_the_button_needs_a_phone_at_both_ends(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    over(story, a_victim(story))
    assert not offers_a_call(worker.hears(CALL))


def test_without_a_victims_phone_there_is_no_button(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    victim.phone = None
    over(story, victim)
    assert not offers_a_call(worker.hears(CALL))


def test_who_was_never_asked_cannot_have_anybody_called(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    assert offers_a_call(worker.hears(CALL))
    other = story.social_worker(CHIANG_RAI, LINE_AND_PHONE)
    other.presses_again(f"do=call&follow_up={incident.now['follow_ups'][0]['follow_up_id']}")
    story.deployment.settle()
    assert not incident.facts("follow_up_call_asked")
    assert calls_to(story, other.phone) == []


def reported_in_line(story: Story, victim: Citizen) -> Incident:
    """With a phone, and the wish to be contacted."""
    story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    incident = victim.reports("running_amok", at=CHIANG_RAI)
    victim.hears("รับเรื่องแล้ว")
    victim.may_hear("")
    victim.taps("ติดต่อฉันได้")
    incident.told("contact_wished")
    victim.phone = "+66810000000"
    victim.writes("0810000000")
    incident.told("phone_given")
    return incident


def test_who_said_that_they_are_in_danger_is_not_called(story: Story) -> None:
    victim, worker = a_victim(story, line=True), a_worker(story)
    incident = reported_in_line(story, victim)
    victim.presses("say=in_danger")
    incident.told("reporter_in_danger")
    is_over(story, incident)
    assert not offers_a_call(worker.hears(CALL))
    worker.presses_again(f"do=call&follow_up={incident.now['follow_ups'][0]['follow_up_id']}")
    worker.hears("ผู้แจ้งบอกว่าอยู่ในอันตราย")


def test_a_victim_who_changes_their_mind_while_it_rings_is_not_called(story: Story) -> None:
    victim, worker = a_victim(story, line=True), a_worker(story)
    incident = reported_in_line(story, victim)
    is_over(story, incident)
    phone = asks_for_the_call(worker)
    victim.presses("say=text_only")
    incident.told("contact_wished", times=2)
    assert "ผู้แจ้งไม่ประสงค์ให้โทรหา" in phone.is_picked_up()["text"]
    worker.hears(NOT_CONNECTED)
    assert calls_to(story, victim.phone) == []


def test_a_call_that_is_reported_while_it_rings_connects_nobody(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    phone = asks_for_the_call(worker)
    phone.is_picked_up()
    worker.taps("ติดต่อได้แล้ว")
    worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")
    phone.presses("1")
    worker.hears("เหตุนี้ปิดแล้ว", by=BY)
    assert calls_to(story, victim.phone) == []


# --- it happens once -------------------------------------------------------------------------------------
def test_a_second_tap_while_the_phone_rings_starts_nothing_new(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    over(story, victim)
    phone = asks_for_the_call(worker)
    worker.taps(BUTTON)
    worker.hears("สายก่อนหน้าของงานนี้ยังไม่สิ้นสุด")
    presses_1(worker, phone)
    theirs = victim.rings()
    worker.taps(BUTTON)
    worker.hears("สายก่อนหน้าของงานนี้ยังไม่สิ้นสุด")
    theirs.is_answered()
    theirs.is_connected()
    worker.taps(BUTTON)
    worker.hears("สายก่อนหน้าของงานนี้ยังไม่สิ้นสุด")
    theirs.hangs_up()
    worker.hears("สายสิ้นสุดแล้ว โปรดบันทึกผล", by=BY)
    worker.hears("สายสิ้นสุดแล้ว เหตุ")
    assert len(calls_to(story, worker.phone)) == 1

    worker.taps(BUTTON)
    worker.hears(RINGS)
    worker.rings().hangs_up()
    worker.hears(NOT_CONNECTED)


def test_a_digit_that_is_delivered_twice_rings_the_victim_once(story: Story) -> None:
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    phone = asks_for_the_call(worker)
    presses_1(worker, phone)
    theirs = victim.rings()
    again = from_twilio(story, "voice", Digits="1", CallSid=A_CALL)
    assert "<Dial" not in again
    assert "ใช้ต่อไม่ได้แล้ว" in again

    theirs.is_answered()
    theirs.is_connected()
    theirs.hangs_up()
    worker.hears("สายสิ้นสุดแล้ว โปรดบันทึกผล", by=BY)
    worker.hears("สายสิ้นสุดแล้ว เหตุ")
    from_twilio(story, "bridge", DialCallStatus="busy", CallSid=A_CALL)
    assert len(incident.facts("follow_up_call_bridged")) == 1
    assert not incident.facts("follow_up_call_unanswered")


def test_who_hangs_up_before_anybody_was_rung_may_try_again_soon(story: Story) -> None:
    """Twilio tells of no second phone then."""
    victim, worker = a_victim(story), a_worker(story)
    incident = over(story, victim)
    asks_for_the_call(worker)
    assert "<Dial" in from_twilio(story, "voice", Digits="1", CallSid=A_CALL)  # and nobody is there to do it
    from_twilio(story, "status", CallStatus="completed", CallSid=A_CALL)
    worker.hears("ติดต่อปลายสายไม่ได้ เหตุ")
    assert incident.told("follow_up_call_unanswered")["why"] == "given_up"
    worker.taps(BUTTON)
    worker.hears(RINGS)
    incident.told("follow_up_call_asked", times=2)
    worker.rings().hangs_up()
    worker.hears(NOT_CONNECTED)
    assert calls_to(story, victim.phone) == []


def from_twilio(story: Story, path: str, **form: str) -> str:
    """The webhook of the story's call, signed as Twilio signs; what the engine answers."""
    with story.deployment.store.transaction() as tx:
        delivery_id = tx.session.exec(
            select(tables.Delivery.id)
            .where(tables.Delivery.message == "bridge", tables.Delivery.incident_id == story.incidents[0].id)
            .order_by(tables.Delivery.created_at.desc())  # type: ignore[attr-defined]
        ).first()
    url = f"{story.deployment.stack.url}/webhooks/twilio/{path}?delivery={delivery_id}"
    token = story.deployment.stack.environment["ESS_TWILIO_AUTH_TOKEN"]
    signature = RequestValidator(token).compute_signature(url, form)
    answer = story.deployment.http.post(url, data=form, headers={"X-Twilio-Signature": signature})
    assert answer.status_code in {200, 204}, answer.text
    return answer.text
