"""Once a week everybody is asked to answer once, so that it is known whom an alert would not reach."""

import re
import threading

from sqlalchemy import text
from stack import wait_for
from story import SMS_ONLY, UDON_THANI, VOICE_ONLY, Story

from config.settings import Settings
from ess import inbox
from ess.domain.duty import Channel
from ess.engine import open_engine
from ess.store import tables

ASKED = "ทดสอบการติดต่อ"
THANKED = "บันทึกแล้วว่าติดต่อท่านทางนี้ได้"


def out_of_reach(story: Story) -> dict[str, str]:
    """Who stands in the supervisors' list, and why."""
    return {person["ref"]: person["why"] for person in story.deployment.get("/v1/responders/unreachable")}


def test_everybody_is_asked_once_and_the_supervisor_hears_who_did_not_answer(story: Story) -> None:
    station, radio = story.station(UDON_THANI), story.radio_191(UDON_THANI, SMS_ONLY)
    silent, called = story.one_home(UDON_THANI), story.volunteer(UDON_THANI, VOICE_ONLY)
    supervisor = story.supervisor()

    story.calls_the_roll()
    assert "ไม่มีเหตุ" in station.hears(ASKED)["text"], "nobody starts a car for it"
    assert radio.hears(ASKED)["detail"]["segments"] == 1
    silent.hears(ASKED)
    supervisor.hears(ASKED)
    station.taps("ได้รับแล้ว")
    station.hears(THANKED)
    supervisor.taps("ได้รับแล้ว")
    supervisor.hears(THANKED)
    radio.texts("1 ครับ")
    radio.hears(THANKED)

    story.closes_the_roll()
    told = supervisor.hears("ผลทดสอบการติดต่อ")["text"]
    assert "ถาม 4 ราย ตอบ 3 ราย ไม่ตอบ 1 ราย" in told
    assert "จึงไม่ได้ถาม 1 ราย" in told, "a phone that can only ring is not rung for nothing"
    assert out_of_reach(story) == {silent.ref: "no_answer", called.ref: "not_asked"}

    silent.taps("ได้รับแล้ว")
    silent.hears(THANKED)
    assert silent.ref not in out_of_reach(story), "late is not silent"


def test_who_answers_twice_has_answered_once(story: Story) -> None:
    station, supervisor = story.station(UDON_THANI), story.supervisor()
    story.calls_the_roll()
    station.hears(ASKED)
    supervisor.hears(ASKED)
    for _ in range(2):
        station.taps("ได้รับแล้ว")
        station.hears(THANKED)
    story.closes_the_roll()
    supervisor.hears("ถาม 2 ราย ตอบ 1 ราย ไม่ตอบ 1 ราย")


def test_an_sms_that_two_workers_read_at_once_is_thanked_for_once(story: Story) -> None:
    """A task is delivered twice now and then; both find the event, and one of them alone may handle it."""
    deployment, radio, supervisor = story.deployment, story.radio_191(UDON_THANI, SMS_ONLY), story.supervisor()
    environment = {name.removeprefix("ESS_").lower(): value for name, value in deployment.stack.environment.items()}
    engine = open_engine(Settings(**{name: environment[name] for name in Settings.model_fields if name in environment}))
    story.calls_the_roll()
    radio.hears(ASKED)
    supervisor.hears(ASKED)

    def n_waiting() -> int:
        return deployment.count("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    with deployment.store.transaction() as held:
        held.session.execute(text("SELECT FROM roll_call_answer FOR UPDATE"))
        radio.texts("1")
        wait_for(lambda: n_waiting() >= 1, "a worker has the SMS in hand")
        deadline_id = deployment.count("SELECT id FROM deadline WHERE kind = 'handle' AND subject LIKE 'sms:%'")
        another = threading.Thread(target=inbox.handle_inbound, args=(engine, deadline_id))
        another.start()
        wait_for(lambda: not another.is_alive() or n_waiting() >= 2, "another has read it, too")
    another.join()
    engine.store.close()
    radio.hears(THANKED)
    deployment.settle()
    assert len([message for message in radio.messages() if THANKED in message]) == 1
    story.closes_the_roll()
    supervisor.hears("ถาม 2 ราย ตอบ 1 ราย ไม่ตอบ 1 ราย")


def test_a_button_that_was_forwarded_answers_for_nobody(story: Story) -> None:
    station, supervisor = story.station(UDON_THANI), story.supervisor()
    somebody = story.citizen()
    story.calls_the_roll()
    button = re.search(r"present=[0-9a-f-]{36}", str(station.hears(ASKED)["messages"]))
    supervisor.hears(ASKED)
    assert button
    somebody.presses(button[0])
    story.closes_the_roll()
    supervisor.hears("ถาม 2 ราย ตอบ 0 ราย ไม่ตอบ 2 ราย")


def test_who_has_an_alert_to_see_to_is_not_asked(story: Story) -> None:
    station, supervisor = story.station(UDON_THANI, SMS_ONLY), story.supervisor()
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("ESS")
    story.calls_the_roll()
    supervisor.hears(ASKED)
    assert [message for message in station.messages() if ASKED in message] == []

    station.texts("1")
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    incident.reaches("acknowledged")
    story.closes_the_roll()
    supervisor.hears("ผลทดสอบการติดต่อ")


def test_one_account_that_two_units_share_is_asked_once(story: Story) -> None:
    station, twin, supervisor = story.station(UDON_THANI), story.one_home(UDON_THANI), story.supervisor()
    with story.deployment.store.transaction() as tx:
        row = tx.session.get_one(tables.Responder, twin.row_id)
        row.line_user_id, row.line_index = station.line_id, tx.vault.index(str(station.line_id))
    story.calls_the_roll()
    station.hears(ASKED)
    supervisor.hears(ASKED)
    station.taps("ได้รับแล้ว")
    station.hears(THANKED)
    story.closes_the_roll()
    supervisor.hears("ถาม 3 ราย ตอบ 2 ราย ไม่ตอบ 1 ราย")
