"""A week and a month after the danger: whoever is responsible then is asked, in the words of the victim's wish.

`confinement` is a critical case and promises three calls; nobody waits for them here, their time is brought forward.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import select
from story import CHIANG_RAI, SMS_ONLY, Incident, Responder, Spot, Story
from typer.testing import CliRunner

from ess.domain.duty import Channel
from ess.store import tables
from ess.store.keys import KeyRole

CALL = "ขอให้โทรติดตามผู้เสียหาย"
NOTED = "บันทึกผลการโทรติดตามแล้ว"


def over(story: Story, incident_type: str, spot: Spot, **report: Any) -> Incident:
    """An incident whose station came and says that the danger is over."""
    station = story.station(spot)
    station.may_hear("")
    story.care_team(spot)
    incident = story.citizen(line=False).reports_by_api(incident_type, at=spot, **report)
    station.hears("เหตุด่วน")
    assert incident.answer_for(station, "accept").status_code == 200
    assert incident.answer_for(station, "resolve").status_code == 200
    incident.told("follow_up_opened")
    return incident


def follow_up(incident: Incident, plan: str) -> dict[str, Any]:
    """As the API tells it."""
    found: dict[str, Any] = next(each for each in incident.now["follow_ups"] if each["plan"] == plan)
    return found


def time_comes(incident: Incident, plan: str) -> None:
    """What was promised of this follow-up, in hours or in weeks, is due now."""
    subject = follow_up(incident, plan)["follow_up_id"]
    with incident.story.deployment.store.transaction() as tx:
        row = tx.session.exec(select(tables.Deadline).where(tables.Deadline.subject == subject)).one()
        row.due_at = row.wake_at = tx.now


def changes(story: Story, responder: Responder, **columns: Any) -> None:
    """The roster says something else of somebody."""
    with story.deployment.store.transaction() as tx:
        row = tx.session.get_one(tables.Responder, responder.row_id)
        for name, value in columns.items():
            setattr(row, name, value)


def asked(incident: Incident, plan: str) -> str | None:
    """Who has it, by their number in the roster."""
    person = follow_up(incident, plan)["responder"]
    return str(person["ref"]) if person else None


def test_a_victim_is_called_after_a_day_a_week_and_a_month_by_the_same_person(story: Story) -> None:
    workers = {worker.ref: worker for worker in (story.social_worker(CHIANG_RAI), story.social_worker(CHIANG_RAI))}
    incident = over(story, "confinement", CHIANG_RAI)
    worker = workers[asked(incident, "first_call") or ""]
    opened = {fact["plan"]: fact for fact in incident.facts("follow_up_opened")}
    assert list(opened) == ["first_call", "week_call", "month_call"]
    assert asked(incident, "week_call") is None, "nobody is asked a week ahead"

    for plan, days in (("first_call", 1), ("week_call", 7), ("month_call", 30)):
        if plan != "first_call":
            due, ask = (datetime.fromisoformat(follow_up(incident, plan)[key]) for key in ("due_at", "ask_at"))
            since = datetime.fromisoformat(opened[plan]["at"])
            assert due - since == timedelta(days=days)
            assert timedelta(hours=4) <= due - ask < timedelta(days=1, hours=4), "on the morning of its day"
            time_comes(incident, plan)
        card = worker.hears(CALL)
        assert card["text"].startswith("ความประสงค์ในการติดต่อ: ไม่ได้ระบุ")
        worker.taps("ติดต่อได้แล้ว")
        worker.hears(NOTED)
        incident.told("follow_up_reached", plan=plan)
    incident.reaches("closed")


def test_who_is_on_leave_when_the_week_is_over_is_not_asked(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "confinement", CHIANG_RAI)
    worker.hears(CALL)
    worker.taps("ติดต่อได้แล้ว")
    worker.hears(NOTED)
    changes(story, worker, leave_until=datetime.fromisoformat("2099-01-01T00:00:00Z"))
    successor = story.social_worker(CHIANG_RAI)
    time_comes(incident, "week_call")
    successor.hears(CALL)
    assert asked(incident, "week_call") == successor.ref

    # Then the successor leaves before they have called, and the worker is back.
    changes(story, worker, leave_until=None)
    changes(story, successor, active=False)
    time_comes(incident, "week_call")
    worker.hears("เลยกำหนดแล้ว")
    incident.told("follow_up_reassigned", plan="week_call", responder=worker.ref)
    worker.taps("ติดต่อได้แล้ว")
    worker.hears(NOTED)


def test_a_week_later_nobody_is_left_and_the_supervisors_hear_of_it(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "confinement", CHIANG_RAI)
    worker.hears(CALL)
    worker.taps("ติดต่อได้แล้ว")
    worker.hears(NOTED)
    supervisor = story.supervisor()
    changes(story, worker, active=False)
    time_comes(incident, "week_call")
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด หรือไม่มีผู้รับผิดชอบ")

    successor = story.social_worker(CHIANG_RAI)
    time_comes(incident, "week_call")
    successor.hears(CALL)
    assert follow_up(incident, "week_call")["state"] == "open"


def test_calls_that_come_near_on_one_morning_are_shared_among_those_on_duty(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    worker.may_hear("")
    cases = [over(story, "confinement", CHIANG_RAI) for _ in range(4)]
    story.deployment.settle()
    changes(story, worker, active=False)
    two = [story.social_worker(CHIANG_RAI), story.social_worker(CHIANG_RAI)]
    for each in two:
        each.may_hear("")
    with story.deployment.store.transaction() as tx:
        for case in cases:
            subject = follow_up(case, "week_call")["follow_up_id"]
            row = tx.session.exec(select(tables.Deadline).where(tables.Deadline.subject == subject)).one()
            row.due_at = row.wake_at = tx.now
    for case in cases:
        case.told("follow_up_asked", plan="week_call")
    assert {asked(case, "week_call") for case in cases} == {each.ref for each in two}


def test_a_call_is_moved_to_a_time_that_suits_the_victim(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "assault", CHIANG_RAI)
    worker.hears(CALL)
    worker.taps("เลื่อนเวลาโทร")
    offered = re.findall(r"\[(.+?)\]", worker.hears("เลื่อนไปโทรเมื่อใด")["text"])
    assert 1 <= len(offered) <= 3
    assert follow_up(incident, "first_call")["outcome"] is None, "nothing is moved before a time is chosen"
    worker.taps(offered[0])
    worker.hears(f"เลื่อนไปโทร {offered[0]} น. แล้ว")
    moved = follow_up(incident, "first_call")
    assert (moved["state"], moved["outcome"]) == ("open", "moved")
    assert moved["ask_at"] == moved["due_at"]

    time_comes(incident, "first_call")
    worker.hears(CALL)
    worker.taps("ติดต่อได้แล้ว")
    worker.hears(NOTED)
    incident.reaches("closed")


def test_a_victim_is_referred_to_a_hospital_and_no_more_than_that_is_written_down(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "assault", CHIANG_RAI)
    worker.hears(CALL)
    worker.taps("ส่งต่อหน่วยงานอื่น")
    worker.hears("ส่งต่อไปที่ใด")
    incident.reaches("closed")
    worker.taps("โรงพยาบาล")
    worker.hears(NOTED)
    fact = incident.told("follow_up_service", service="hospital", outcome="referred")
    assert fact.keys() == {"at", "fact", "follow_up_id", "plan", "service", "outcome", "via"}
    assert follow_up(incident, "first_call")["service"] == "hospital"


def test_what_a_victim_needs_is_recorded(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "assault", CHIANG_RAI)
    worker.hears(CALL)
    worker.taps("ต้องการความช่วยเหลือ")
    worker.hears("ต้องการความช่วยเหลือด้านใด")
    worker.taps("ที่พักปลอดภัย")
    worker.hears(NOTED)
    incident.told("follow_up_service", service="shelter", outcome="needs_service")


def test_a_card_that_somebody_else_forwards_moves_nothing(story: Story) -> None:
    worker, stranger = story.social_worker(CHIANG_RAI), story.citizen()
    stranger.may_hear("")
    incident = over(story, "assault", CHIANG_RAI)
    worker.hears(CALL)
    follow_up_id = follow_up(incident, "first_call")["follow_up_id"]
    for do in ("moved", "referred", "reached"):
        stranger.presses_again(f"do={do}&follow_up={follow_up_id}&service=hospital")
    story.deployment.settle()
    assert follow_up(incident, "first_call")["outcome"] is None


def test_who_makes_the_calls_sees_their_day(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "confinement", CHIANG_RAI)
    worker.hears(CALL)
    story.deployment.settle()

    mine = story.deployment.get("/v1/follow-ups", responder=worker.ref)["follow_ups"]
    assert [(call["code"], call["plan"], call["grade"]) for call in mine] == [(incident.code, "first_call", "critical")]
    here = story.deployment.get("/v1/follow-ups", province=CHIANG_RAI.province)["follow_ups"]
    plans = [call["plan"] for call in here if call["code"] == incident.code]
    assert plans == ["first_call", "week_call", "month_call"], "whatever is due first at the top"
    today = story.deployment.get("/v1/follow-ups", province=CHIANG_RAI.province, due="true")["follow_ups"]
    assert "month_call" not in [call["plan"] for call in today if call["code"] == incident.code]
    assert story.deployment.get("/v1/follow-ups", province="10")["follow_ups"] == []

    assert [call["late"] for call in mine] == [False]
    time_comes(incident, "first_call")
    worker.hears("เลยกำหนดแล้ว")
    (late,) = story.deployment.get("/v1/follow-ups", responder=worker.ref, due="true")["follow_ups"]
    assert late["late"]
    assert late["promised_at"] == mine[0]["due_at"]

    http = story.deployment.http
    intake = http.get("/v1/follow-ups", headers=story.deployment.bearer(KeyRole.INTAKE))
    assert intake.status_code == 403
    assert http.get("/board/follow-ups").status_code == 401
    page = http.get("/board/follow-ups", auth=("anybody", story.deployment.keys[KeyRole.OPERATOR]))
    assert page.status_code == 200
    assert page.text.count(f"/board/{incident.code}") == 3
    assert worker.spoken_name in page.text


def test_the_command_lists_what_is_to_be_made(story: Story, monkeypatch: Any) -> None:
    from ess.cli import app  # noqa: PLC0415

    worker = story.social_worker(CHIANG_RAI)
    incident = over(story, "confinement", CHIANG_RAI)
    worker.hears(CALL)
    for name, value in story.deployment.stack.environment.items():
        monkeypatch.setenv(name, value)
    listed = CliRunner().invoke(app, ["followups", "--json", "--province", CHIANG_RAI.province])
    assert listed.exit_code == 0, listed.output
    assert incident.code in {call["code"] for call in json.loads(listed.stdout)}
    assert incident.code in CliRunner().invoke(app, ["followups", "--responder", worker.ref]).stdout
    for wrong, told in (("--province", "there is no province nowhere"), ("--responder", "has the number nowhere")):
        assert told in str(CliRunner().invoke(app, ["followups", wrong, "nowhere"]).exception), "and not: nothing to do"


def test_what_somebody_says_on_the_telephone_is_reported_for_them(story: Story) -> None:
    worker = story.social_worker(CHIANG_RAI, SMS_ONLY)
    incident = over(story, "confinement", CHIANG_RAI)
    worker.hears("มีงานโทรติดตาม", by=Channel.SMS)
    path = f"/v1/follow-ups/{follow_up(incident, 'first_call')['follow_up_id']}"
    assert story.post(f"{path}/reached", {}, KeyRole.INTAKE).status_code == 403
    assert story.post(f"{path}/visited", {}).status_code == 409, "it is a call"
    assert story.post(f"{path}/moved", {}).status_code == 422
    at = datetime.fromisoformat(incident.now["received_at"]) + timedelta(hours=20)
    assert story.post(f"{path}/moved", {"at": at.isoformat()}).status_code == 200
    assert datetime.fromisoformat(follow_up(incident, "first_call")["ask_at"]) == at
    far = at + timedelta(days=30)
    assert story.post(f"{path}/moved", {"at": far.isoformat()}).status_code == 409, "the protocol allows three days"

    assert story.post(f"{path}/referred", {"service": "บ้านเลขที่ 5"}).status_code == 422
    assert story.post(f"{path}/referred", {}).status_code == 200
    assert story.post(f"{path}/referred", {"service": "police"}).status_code == 200
    incident.told("follow_up_service", service="police", via="api:test-supervisor")
    assert follow_up(incident, "first_call")["state"] == "done"


def test_who_had_a_case_that_was_closed_over_its_calls_is_free_again(story: Story) -> None:
    first, second = story.social_worker(CHIANG_RAI), story.social_worker(CHIANG_RAI)
    for each in (first, second):
        each.may_hear("")
    cases = [over(story, "assault", CHIANG_RAI) for _ in range(2)]
    assert {asked(case, "first_call") for case in cases} == {first.ref, second.ref}, "one case each"
    assert cases[0].ask("close", reason="done otherwise").status_code == 200
    third = over(story, "assault", CHIANG_RAI)
    assert asked(third, "first_call") == asked(cases[0], "first_call")


#: What plans of the release before did not say.
NEW_IN_PLANS = {"calling_hours", "move_within", "visit", "kind"}


def test_an_incident_of_the_release_before_goes_on_as_it_was_promised(story: Story) -> None:
    worker, supervisor = story.social_worker(CHIANG_RAI), story.supervisor()
    incident = over(story, "assault", CHIANG_RAI)
    worker.hears(CALL)
    story.deployment.settle()
    with story.deployment.store.transaction() as tx:
        row = tx.session.get_one(
            tables.Incident,
            tx.session.exec(select(tables.Incident.id).where(tables.Incident.code == incident.code)).one(),
        )
        policy = tx.session.get_one(tables.Policy, row.policy_id)
        call = tx.session.exec(select(tables.FollowUp).where(tables.FollowUp.incident_id == row.id)).one()
        plan = {key: value for key, value in call.plan.items() if key not in NEW_IN_PLANS}
        body = {key: value for key, value in policy.body.items() if key != "grade"} | {"follow_ups": [plan]}
        tx.session.add(tables.Policy(id=f"old-{row.code}", type=policy.type, body=body))
        tx.session.flush()
        row.policy_id, call.plan, call.tried = f"old-{row.code}", plan, None

    time_comes(incident, "first_call")
    worker.hears("เลยกำหนดแล้ว")
    for tries in (1, 2, 3):
        if tries > 1:
            time_comes(incident, "first_call")
            worker.hears(CALL)
        worker.taps("ไม่รับสาย")
        worker.hears(NOTED)
        incident.told("follow_up_no_answer", times=tries)
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด")
    assert [each["kind"] for each in incident.now["follow_ups"]] == ["call"], "no visit was promised"
    supervisor.taps("ติดต่อได้แล้ว")
    supervisor.hears(NOTED)
    incident.reaches("closed")
