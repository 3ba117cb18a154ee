"""After the danger: the promised call is made, tried again, reminded of, then a visit, and in the end a supervisor's.

`sexual_abuse_risk` promises the call within 2 s here, and reminds after 2 s, instead of hours.
"""

from story import BOTH, CHIANG_RAI, Incident, Responder, Spot, Story

from ess.domain.duty import Channel
from ess.store.keys import KeyRole


def resolved(story: Story, incident_type: str, spot: Spot) -> Incident:
    """An incident whose station came and says that the danger is over."""
    story.care_team(spot)
    return over(story, incident_type, spot, story.station(spot))


def over(story: Story, incident_type: str, spot: Spot, station: Responder) -> Incident:
    """An incident whose station came and says that the danger is over; who cares for the victim, the story says."""
    incident = story.citizen().reports_by_api(incident_type, at=spot)
    station.hears("เหตุด่วน")
    assert incident.answer_for(station, "accept").status_code == 200
    assert incident.answer_for(station, "resolve").status_code == 200
    return incident


def test_a_victim_who_was_reached_closes_the_incident(story: Story) -> None:
    social_worker = story.social_worker(CHIANG_RAI)
    incident = resolved(story, "assault", CHIANG_RAI)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    assert incident.now["state"] == "resolved"
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")
    assert incident.now["follow_ups"][0]["outcome"] == "reached"


def test_a_call_without_answer_is_tried_again_and_then_the_team_is_asked_to_visit(story: Story) -> None:
    social_worker, team = story.social_worker(CHIANG_RAI), story.one_home(CHIANG_RAI)
    team.may_hear("เหตุ")
    station = story.station(CHIANG_RAI)
    incident = over(story, "assault", CHIANG_RAI, station)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    for tries in (1, 2):
        social_worker.taps("ไม่รับสาย")
        social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
        incident.told("follow_up_no_answer", times=tries)
        call = incident.now["follow_ups"][0]
        assert (call["state"], call["tries"]) == ("open", tries)
        story.comes_due("follow_up")
        social_worker.hears(f"โทรครั้งที่ {tries + 1}")
    social_worker.taps("ไม่รับสาย")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")

    team.hears("ขอให้เยี่ยมบ้านผู้เสียหาย")
    assert incident.now["state"] == "resolved"
    team.taps("เยี่ยมบ้านแล้ว")
    team.hears("บันทึกผลการเยี่ยมบ้านแล้ว")
    incident.reaches("closed")


def test_two_taps_on_one_card_are_one_try(story: Story) -> None:
    social_worker = story.social_worker(CHIANG_RAI)
    incident = resolved(story, "assault", CHIANG_RAI)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.taps("ไม่รับสาย")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    social_worker.taps("ไม่รับสาย")
    social_worker.hears("บันทึกไว้แล้ว ไม่มีการเปลี่ยนแปลง สถานะปัจจุบันคือ “ไม่รับสาย”")
    assert incident.now["follow_ups"][0]["tries"] == 1


def test_a_visit_that_could_not_be_made_is_a_supervisors_who_says_why_not(story: Story) -> None:
    social_worker, supervisor = story.social_worker(CHIANG_RAI), story.supervisor()
    team, station = story.one_home(CHIANG_RAI), story.station(CHIANG_RAI)
    team.may_hear("เหตุ")
    incident = over(story, "assault", CHIANG_RAI, station)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    for tries in (1, 2, 3):
        if tries > 1:
            story.comes_due("follow_up")
            social_worker.hears(f"โทรครั้งที่ {tries}")
        social_worker.taps("ไม่รับสาย")
        social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
        incident.told("follow_up_no_answer", times=tries)
    team.hears("ขอให้เยี่ยมบ้านผู้เสียหาย")
    team.taps("เยี่ยมบ้านไม่ได้")
    team.hears("บันทึกผลการเยี่ยมบ้านแล้ว")
    station.may_hear("ยุติแล้ว")
    supervisor.hears("การเยี่ยมบ้านเลยกำหนด ทำไม่ได้")
    assert incident.ask("close", reason="moved abroad").status_code == 200
    incident.told("closed", reason="moved abroad")


def test_a_call_that_is_not_made_is_reminded_of_and_then_a_supervisors(story: Story) -> None:
    social_worker, supervisor = story.social_worker(CHIANG_RAI), story.supervisor()
    incident = resolved(story, "sexual_abuse_risk", CHIANG_RAI)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.hears("ยังไม่มีผลการโทรติดตาม")
    assert supervisor.messages() == [], "one reminder comes before the supervisor"
    social_worker.hears("ยังไม่มีผลการโทรติดตาม")
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด")
    incident.told("follow_up_overdue")

    social_worker.may_hear("ยังไม่มีผลการโทรติดตาม")
    supervisor.may_hear("การโทรติดตามผู้เสียหายเลยกำหนด")
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")


def test_who_does_not_react_to_a_call_to_make_is_reminded_over_every_channel(story: Story) -> None:
    """The shipped reminder comes after hours: it is over at once here."""
    social_worker = story.social_worker(CHIANG_RAI, BOTH)
    incident = resolved(story, "assault", CHIANG_RAI)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    assert len(social_worker.messages()) == 1, "one message is enough for the first time"
    story.comes_due("follow_up")
    incident.told("follow_up_reminded")
    social_worker.hears("ยังไม่มีผลการโทรติดตาม")
    assert social_worker.hears("เลยกำหนดโทรติดตาม", by=Channel.SMS)["detail"]["segments"] == 1


def test_who_blocks_the_account_is_told_of_the_call_to_make_by_sms_at_once(story: Story) -> None:
    social_worker = story.social_worker(CHIANG_RAI, BOTH)
    incident = resolved(story, "assault", CHIANG_RAI)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.taps("ไม่รับสาย")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    story.comes_due("follow_up")
    social_worker.hears("โทรครั้งที่ 2")
    social_worker.blocks()
    social_worker.hears("มีงานโทรติดตามก่อน", by=Channel.SMS)  # once, however many cards there were
    assert not incident.facts("follow_up_reminded")


def test_a_supervisor_takes_an_overdue_call_over_and_is_the_one_who_is_asked(story: Story) -> None:
    """The shipped reminders come after hours: all are over at once here."""
    social_worker, supervisor, other = story.social_worker(CHIANG_RAI), story.supervisor(), story.desk()
    incident = resolved(story, "assault", CHIANG_RAI)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    for times in (1, 2, 3):
        story.comes_due("follow_up")
        incident.told("follow_up_reminded", times=times)
        social_worker.hears("ยังไม่มีผลการโทรติดตาม")
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด")
    other.hears("การโทรติดตามผู้เสียหายเลยกำหนด")

    supervisor.taps("รับดูแลเอง")
    supervisor.hears("ขอให้โทรติดตามผู้เสียหาย")
    assert incident.told("follow_up_taken")["responder"]["ref"] == supervisor.ref
    assert incident.now["follow_ups"][0]["responder"]["ref"] == supervisor.ref
    other.taps("รับดูแลเอง")
    other.hears(f"{supervisor.spoken_name} รับไปก่อนแล้ว")

    story.comes_due("follow_up")
    supervisor.hears("ยังไม่มีผลการโทรติดตาม")
    supervisor.taps("ติดต่อได้แล้ว")
    supervisor.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")


def test_an_overdue_call_is_given_to_a_supervisor_by_api(story: Story) -> None:
    supervisor = story.supervisor()
    incident = resolved(story, "assault", CHIANG_RAI)
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด หรือไม่มีผู้รับผิดชอบ")
    (call,) = incident.now["follow_ups"]
    path = f"/v1/follow-ups/{call['follow_up_id']}/take"
    assert story.post(path, {"responder": "nobody"}).status_code == 404
    assert story.post(path, {"responder": supervisor.ref}, KeyRole.OPERATOR).status_code == 403
    assert story.post(path, {"responder": supervisor.ref}).status_code == 200
    supervisor.hears("ขอให้โทรติดตามผู้เสียหาย")
    assert incident.told("follow_up_taken")["via"] == "api:test-supervisor"
    assert story.post(path, {"responder": supervisor.ref}).json()["reason"] == "already_recorded"


def test_a_call_that_nobody_can_make_is_a_supervisors_at_once(story: Story) -> None:
    supervisor = story.supervisor()
    incident = resolved(story, "assault", CHIANG_RAI)
    supervisor.hears("การโทรติดตามผู้เสียหายเลยกำหนด หรือไม่มีผู้รับผิดชอบ")
    supervisor.taps("ติดต่อได้แล้ว")
    supervisor.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")
