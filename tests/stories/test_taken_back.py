"""What waits to be sent while its channel is down lights up no phone when it is not wanted any more."""

from story import CHIANG_RAI, SMS_ONLY, Story
from test_follow_up import resolved

_WAITING = "SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending', 'unknown')"


def line_is_back(story: Story) -> None:
    """Whatever waited for it has been sent, or never will be."""
    story.deployment.wait_until_none("SELECT count(*) FROM outage WHERE until > clock_timestamp()")
    story.deployment.wait_until_none(_WAITING)


def test_who_said_that_it_is_over_is_not_alerted_when_line_is_back(story: Story) -> None:
    station = story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    story.breaks("line", "429_quota", to=station.line_id)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    incident.told("delivery_waits", responder=station.ref)
    assert incident.answer_for(station, "accept").status_code == 200
    assert incident.answer_for(station, "resolve").status_code == 200
    line_is_back(story)
    assert "resolved before it was sent" in incident.told("delivery_expired", message="alert")["error"]
    assert station.messages() == []


def test_a_call_that_was_made_meanwhile_is_not_asked_for_when_line_is_back(story: Story) -> None:
    social_worker, supervisor = story.social_worker(CHIANG_RAI), story.supervisor(SMS_ONLY)
    story.breaks("line", "429_quota", to=social_worker.line_id)
    incident = resolved(story, "assault", CHIANG_RAI)
    supervisor.hears("LINE")
    incident.told("delivery_waits", responder=social_worker.ref)
    call = incident.now["follow_ups"][0]["follow_up_id"]
    assert story.post(f"/v1/follow-ups/{call}/reached", {}).status_code == 200
    incident.reaches("closed")
    line_is_back(story)
    assert social_worker.messages() == []
