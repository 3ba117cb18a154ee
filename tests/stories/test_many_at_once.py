"""A storm of deadlines: many incidents wait for an answer that does not come, and all of it ends at one instant."""

from sqlalchemy import text
from stack import wait_for
from story import NAKHON_RATCHASIMA, SMS_ONLY, Incident, Story

from ess.domain.duty import Channel
from ess.wake import LISTS, NOTIFY, SEND_LATER, Waker, WakeUp

N = 20


def waiting(story: Story, n: int) -> list[Incident]:
    """As many incidents, each with a station that has heard of it and says nothing."""
    station = story.station(NAKHON_RATCHASIMA)
    station.may_hear("เหตุ")
    story.care_team(NAKHON_RATCHASIMA)
    citizen = story.citizen(line=False)
    found = [citizen.reports_by_api("assault", at=NAKHON_RATCHASIMA) for _ in range(n)]
    for incident in found:
        incident.told("alerted", responder=station.ref)
    return found


def test_all_are_escalated_and_each_once(story: Story) -> None:
    radio = story.radio_191(NAKHON_RATCHASIMA, SMS_ONLY)
    incidents = waiting(story, N)

    story.comes_due("acknowledge", subject="police")
    codes = {incident.code: radio.hears(f"ESS {incident.code}")["text"].split("ตอบ ")[1][:2] for incident in incidents}
    assert len(set(codes.values())) == N, "each alert on one phone has a code of its own"
    for incident in incidents:
        assert len(incident.facts("step_expired", track="police")) == 1
        assert len(incident.facts("alerted", responder=radio.ref)) == 1

    sample = incidents[N // 2]
    radio.texts(f"{codes[sample.code]} 1")
    radio.hears("บันทึกแล้ว", by=Channel.SMS)
    assert [incident.holder() for incident in incidents if incident.holder()] == [radio.ref]
    assert sample.holder() == radio.ref


def test_nobody_is_alerted_past_their_capacity_while_others_are_free(story: Story) -> None:
    few = [story.radio_191(NAKHON_RATCHASIMA, SMS_ONLY, capacity=3) for _ in range(4)]
    for radio in few:
        radio.may_hear("")
    incidents = waiting(story, 12)

    story.comes_due("acknowledge", subject="police")
    asked = [incident.told("alerted", step=2, track="police")["responder"] for incident in incidents]
    load = {radio.ref: [person["ref"] for person in asked].count(radio.ref) for radio in few}
    assert set(load.values()) == {3}, load


def is_written(story: Story, incident: Incident, state: str) -> None:
    """Into the row itself: the first track is in this state."""
    change = (
        "UPDATE incident SET tracks = jsonb_set(tracks, '{0,state}', to_jsonb(CAST(:state AS text))) WHERE id = :id"
    )
    with story.deployment.store.transaction() as tx:
        tx.session.execute(text(change), {"id": incident.id, "state": state})


def test_one_that_cannot_be_read_does_not_hold_up_the_others(story: Story) -> None:
    story.expects_complaints = True
    radio = story.radio_191(NAKHON_RATCHASIMA, SMS_ONLY)
    radio.may_hear("")
    broken, *others = waiting(story, 5)

    is_written(story, broken, "no state that anybody knows")
    story.comes_due("acknowledge", subject="police")
    for incident in others:
        incident.told("alerted", responder=radio.ref)
    assert not broken.facts("alerted", responder=radio.ref)

    is_written(story, broken, "alerting")
    broken.told("alerted", responder=radio.ref, within_s=20)


def test_new_incidents_that_had_to_wait_are_located_together_and_each_once(story: Story) -> None:
    station = story.station(NAKHON_RATCHASIMA)
    station.may_hear("เหตุ")
    story.care_team(NAKHON_RATCHASIMA)
    citizen = story.citizen(line=False)
    for worker in story.deployment.workers:
        worker.kill()
    found = [citizen.reports_by_api("assault", at=NAKHON_RATCHASIMA) for _ in range(N)]
    for worker in story.deployment.workers:
        worker.start()

    instants = set()
    for incident in found:
        incident.told("alerted", responder=station.ref, within_s=30)
        assert len(incident.facts("alerted", responder=station.ref)) == 1
        instants.add(incident.told("located")["at"])
        assert len(incident.facts("located")) == 1
    assert len(instants) < N / 2, "of those who wait, many are decided in one transaction"


def test_whoever_has_heard_nothing_is_alerted_before_all_who_are_reminded(story: Story) -> None:
    """Three thousand wake-ups that can wait are in the queue; of rows that are gone, so they cost little."""
    station = story.station(NAKHON_RATCHASIMA)
    story.care_team(NAKHON_RATCHASIMA)
    broker = story.deployment.broker
    Waker(story.deployment.services.broker_url).publish(WakeUp(-n, SEND_LATER) for n in range(1, 3001))
    incident = story.citizen(line=False).reports_by_api("assault", at=NAKHON_RATCHASIMA)
    station.hears(incident.code)
    (reminders,) = (name for name, queue in LISTS.items() if queue == NOTIFY != name)
    assert broker.llen(reminders) > 0
    wait_for(lambda: broker.llen(reminders) == 0, "the reminders go as well")
