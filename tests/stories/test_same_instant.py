"""Two act on one incident at the same instant: the second sees what the first has done, and undoes none of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

from stack import wait_for
from story import CHIANG_MAI, NAKHON_RATCHASIMA, UBON_RATCHATHANI, VOICE_ONLY, Incident, Responder, Spot, Story

from ess import inbox, outbox
from ess.domain.duty import Channel
from ess.domain.incident import Accept, decide
from ess.engine import Engine
from ess.store import deadlines, incidents, tables
from ess.wake import WakeUp

#: In the east of Nakhon Ratchasima.
OF_KHORAT = Spot(15.02, 102.24, "30", "3032")

#: Transactions that wait for a row that somebody else holds.
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

#: So long that of two who then wait for each other PostgreSQL ends the one that came last.
_FOR_LONG = f"{_WAITING} AND clock_timestamp() - query_start > interval '1.5 s'"


def accepts_before(engine: Engine, incident: Incident, responder: Responder, deed: Callable[[], None]) -> None:
    """The responder accepts, while what the deed leads to has begun and waits for that."""
    story = incident.story
    alert_id = UUID(incident.alert_of(responder)["alert_id"])
    story.deployment.settle()
    with engine.store.transaction() as tx:
        found = incidents.lock(tx, UUID(incident.id))
        deed()
        wait_for(lambda: story.deployment.count(_WAITING), "somebody waits for the incident")
        decision = decide(found, Accept(alert_id), tx.now)
        incidents.save(tx, decision)
        outbox.carry_out(engine, tx, [decision])


def test_who_accepts_while_the_reporter_writes_where_it_is_keeps_it(story: Story, engine: Engine) -> None:
    station, radio = story.station(NAKHON_RATCHASIMA), story.radio_191(NAKHON_RATCHASIMA)
    story.station(OF_KHORAT)  # nearer than the first, and not needed any more
    story.care_team(NAKHON_RATCHASIMA)
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("assault", location={"address": "โคราช 30000"}, contact="text_only")
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่อำเภอใด")
    station.hears("เหตุด่วน")
    story.comes_due("acknowledge", "police")
    radio.hears("ตอบ 10 1")

    accepts_before(engine, incident, station, lambda: citizen.texts("เฉลิมพระเกียรติ"))
    citizen.hears("รับทราบแล้ว")
    radio.hears("หน่วยอื่นรับแล้ว")
    for words in ("โคราช 30000", "ข้อความจากผู้แจ้ง\nเฉลิมพระเกียรติ", "แก้ไขสถานที่เป็น อ.เฉลิมพระเกียรติ"):
        station.hears(words)
    incident.told("place_corrected")
    story.deployment.settle()
    assert (incident.now["state"], incident.holder()) == ("acknowledged", station.ref)


def test_a_digit_counts_though_the_one_who_presses_is_taken_for_a_machine(story: Story, engine: Engine) -> None:
    station = story.station(UBON_RATCHATHANI, VOICE_ONLY)
    story.care_team(UBON_RATCHATHANI)
    incident = story.citizen().reports_by_api("assault", at=UBON_RATCHATHANI)
    phone = station.rings()
    phone.is_picked_up()
    call = incident.told("delivery_sent", channel="voice")["delivery_id"]
    taken_for_one = {"CallSid": "CA", "CallStatus": "in-progress", "AnsweredBy": "machine_start", "delivery": call}
    story.deployment.settle()

    with ThreadPoolExecutor() as pool, engine.store.transaction() as tx:
        incidents.lock(tx, UUID(incident.id))
        pressed = pool.submit(phone.presses, "1")
        wait_for(lambda: story.deployment.count(_WAITING) == 1, "the digit waits")
        inbox.keep(engine, [inbox.Event("receipt:CA:machine_start", inbox.RECEIPT, taken_for_one)])
        wait_for(lambda: story.deployment.count(_FOR_LONG) > 1, "what Twilio says of it waits, too")
    pressed.result()
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=Channel.VOICE)
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    phone.hangs_up()
    incident.reaches("acknowledged")
    assert incident.holder() == station.ref


def test_a_phone_that_is_given_while_the_incident_is_merged_is_kept(story: Story, engine: Engine) -> None:
    station, citizen = story.station(CHIANG_MAI), story.citizen()
    story.care_team(CHIANG_MAI)
    kept = story.citizen(line=False).reports_by_api("assault", at=CHIANG_MAI)
    merged = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    for _ in (kept, merged):
        station.hears("เหตุด่วน")
    story.deployment.settle()

    with ThreadPoolExecutor() as pool, engine.store.transaction() as tx:
        incidents.lock(tx, UUID(merged.id))
        answer = pool.submit(merged.ask, "merge", into=kept.id)
        wait_for(lambda: story.deployment.count(_WAITING) == 1, "the merge waits")
        citizen.writes("081 234 5678 บ้านหลังวัด")
        wait_for(lambda: story.deployment.count(_WAITING) > 1, "what they wrote waits, too")
    assert answer.result().status_code == 200, answer.result().text
    station.hears("เป็นเหตุเดียวกับ")
    citizen.hears(f"ดำเนินการต่อภายใต้รหัส {kept.code}")
    citizen.hears("บันทึกเบอร์แล้ว")
    with engine.store.transaction() as tx:
        incidents.read(tx, UUID(kept.id))
        phones = [report.details["phone"] for report in incidents.reports(tx, UUID(kept.id))]
    assert "+66812345678" in phones


def test_what_is_written_by_sms_while_its_report_is_split_off_goes_with_the_report(
    story: Story, engine: Engine
) -> None:
    station, witness = story.station(CHIANG_MAI), story.citizen(line=False)
    story.care_team(CHIANG_MAI)
    incident = story.citizen().reports_by_api("running_amok", at=CHIANG_MAI)
    theirs = witness.witnesses(incident, "running_amok", CHIANG_MAI)
    station.hears(incident.code)
    station.may_hear("มีผู้แจ้งเพิ่ม")
    story.deployment.settle()

    with ThreadPoolExecutor() as pool, engine.store.transaction() as tx:
        incidents.lock(tx, UUID(incident.id))
        answer = pool.submit(incident.ask, "split", reports=[theirs])
        wait_for(lambda: story.deployment.count(_WAITING) == 1, "the split waits")
        witness.texts("บ้านสีเขียวหลังวัด")
        wait_for(lambda: story.deployment.count(_WAITING) > 1, "what they wrote waits, too")
    assert answer.result().status_code == 200, answer.result().text
    second = story.new_incident()
    station.hears(second.code)
    second.told("reporter_wrote")
    assert not incident.facts("reporter_wrote")


def test_a_digit_and_the_linking_of_an_account_do_not_wait_for_each_other(story: Story, engine: Engine) -> None:
    station = story.station(UBON_RATCHATHANI, VOICE_ONLY)
    story.care_team(UBON_RATCHATHANI)
    incident = story.citizen().reports_by_api("assault", at=UBON_RATCHATHANI)
    phone = station.rings()
    phone.is_picked_up()
    story.deployment.settle()

    with ThreadPoolExecutor() as pool:
        with engine.store.transaction() as tx:  # as linking does: the responder, then their incidents
            tx.session.get_one(tables.Responder, station.row_id, with_for_update={"key_share": True})
            pressed = pool.submit(phone.presses, "1")
            wait_for(lambda: story.deployment.count(_WAITING), "the digit waits")
            incidents.lock(tx, UUID(incident.id))
        pressed.result()
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=Channel.VOICE)
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    phone.hangs_up()
    assert incident.holder() == station.ref


def test_events_that_come_twice_at_once_in_two_orders_are_each_kept_once(story: Story, engine: Engine) -> None:
    in_a_group = {"type": "message", "source": {"type": "group"}}
    events = [inbox.Event(f"line:{uuid4()}", inbox.LINE, in_a_group) for _ in range(200)]
    with ThreadPoolExecutor() as pool:
        kept = [pool.submit(inbox.keep, engine, each) for each in (events, events[::-1])]
    assert sum(each.result() for each in kept) == len(events)
    story.deployment.settle()


def test_what_could_not_be_published_waits_for_nobody(story: Story, engine: Engine) -> None:
    story.station(CHIANG_MAI).may_hear("")
    story.care_team(CHIANG_MAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_MAI)
    incident.told("alerted")
    story.deployment.settle()
    with engine.store.transaction() as tx, engine.store.transaction() as other:
        incidents.lock(tx, UUID(incident.id))
        held, *free = (row.id for row in tx.loaded[UUID(incident.id)].deadlines.values() if row.id)
        tx.session.get_one(tables.Deadline, held, with_for_update=True)
        deadlines.release(other, [WakeUp(each, "acknowledge") for each in (held, *free)])
