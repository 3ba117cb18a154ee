"""Who is alerted, and why: the right ones are asked, nobody beyond what they can hold, and every reason can be read."""

from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console
from story import KHON_KAEN, LINE_ONLY, PHITSANULOK, UDON_THANI, Incident, Responder, Spot, Story, at_once

from config.settings import HERE
from ess import views
from ess.conversation.texts import Texts
from ess.store import tables
from ess.store.keys import KeyRole
from ess.story import print_story

#: Some hundred metres inside Phitsanulok, as far as the shipped outlines can tell.
THE_BORDER = Spot(16.9, 100.128, "65", "6501")
ACROSS = Spot(16.9, 100.12, "64", "6404")
#: More than 2 and less than 5 km from the pin of Khon Kaen.
NOT_FAR = Spot(16.4719, 102.8360, "40", "4001")


def base(spot: Spot) -> dict[str, float]:
    """Where a unit starts from, so that the nearer of two is known."""
    return {"latitude": spot.latitude, "longitude": spot.longitude}


def alerted(incident: Incident, *people: Responder) -> list[str]:
    """Who of these was alerted for it."""
    refs = {alert["responder"]["ref"] for alert in incident.now["alerts"]}
    return [person.ref for person in people if person.ref in refs]


def reason(incident: Incident, person: Responder, key: str = "passed_over") -> str:
    """Why the person was chosen, or not, as the API tells it."""
    found = [item for choice in incident.now["choices"] for item in choice[key]]
    return next(str(item["reason"]) for item in found if item["responder"]["ref"] == person.ref)


# --- the right ones --------------------------------------------------------------------------------------
def test_near_a_border_both_stations_are_alerted_and_one_stands_the_other_down(story: Story) -> None:
    ours, theirs = story.station(THE_BORDER), story.station(ACROSS)
    story.care_team(THE_BORDER)
    incident = story.citizen().reports_by_api("assault", at=THE_BORDER)
    ours.hears("เหตุด่วน")
    theirs.hears("เหตุด่วน")
    assert incident.now["place"]["confidence"] < 0.8, "the map cannot tell whose it is"

    theirs.taps("รับทราบ")
    theirs.hears("บันทึกแล้ว")
    ours.hears(f"{theirs.spoken_name} รับทราบแล้ว ท่านไม่ต้องดำเนินการ")
    assert incident.holder() == theirs.ref


def test_volunteers_come_beside_the_team_and_do_not_stop_the_waiting_for_it(story: Story) -> None:
    story.station(KHON_KAEN).may_hear("เหตุด่วน")
    team = story.one_home(KHON_KAEN)
    first, second = story.volunteer(KHON_KAEN), story.volunteer(KHON_KAEN)
    third = story.volunteer(NOT_FAR)
    far = story.volunteer(Spot(16.60, 102.90, "40", "4001"))
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    team.hears("เหตุด่วน")
    first.hears("เหตุด่วน")
    second.hears("เหตุด่วน")
    assert reason(incident, third).endswith("; others nearer")
    assert reason(incident, far).endswith("km away, farther than 5 km")

    first.taps("รับทราบ")
    first.hears("บันทึกแล้ว")
    assert incident.holder("social_care") is None, "the team is waited for all the same"
    team.taps("รับทราบ")
    team.hears("บันทึกแล้ว")
    second.hears(f"{team.spoken_name} รับทราบแล้ว")
    assert incident.holder("social_care") == team.ref


def test_whoever_goes_on_leave_is_not_asked_for_the_very_next_incident(story: Story) -> None:
    station, other = story.station(KHON_KAEN, **base(KHON_KAEN)), story.station(KHON_KAEN, **base(NOT_FAR))
    story.care_team(KHON_KAEN)
    story.citizen().reports_by_api("assault", at=KHON_KAEN)
    station.hears("เหตุด่วน")
    with story.deployment.store.transaction() as tx:
        tx.session.get_one(tables.Responder, station.row_id).leave_until = tx.now + timedelta(hours=1)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    other.hears("เหตุด่วน")
    assert reason(incident, station) == "not on call"


def test_a_child_is_called_by_whoever_has_learnt_to_talk_with_children(story: Story) -> None:
    station = story.station(UDON_THANI)
    story.care_team(UDON_THANI)
    story.social_worker(UDON_THANI)
    with_children = story.social_worker(UDON_THANI, skills=["children"])
    for _ in range(2):  # though they have one to call already, and the other has none
        incident = story.citizen(line=False).reports_by_api("assault", at=UDON_THANI, victim_is_minor=True)
        station.hears("เหตุด่วน")
        station.taps("รับทราบ")
        station.hears("บันทึกแล้ว")
        station.taps("ระงับเหตุแล้ว")
        station.hears("ยุติแล้ว")
        with_children.hears("ขอให้โทรติดตามผู้เสียหาย")
        incident.told("follow_up_opened", responder=with_children.ref)


# --- what one can hold -----------------------------------------------------------------------------------
def test_who_is_on_a_scene_is_not_alerted_for_a_second_one_unless_nobody_else_exists(story: Story) -> None:
    there = story.station(PHITSANULOK)
    story.care_team(PHITSANULOK)
    first = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    there.hears("เหตุด่วน")
    there.taps("รับทราบ")
    there.hears("บันทึกแล้ว")
    there.taps("ถึงที่เกิดเหตุ")
    there.hears("บันทึกแล้ว")
    first.reaches("on_scene")

    other = story.station(PHITSANULOK, district="6508")
    second = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    other.hears("เหตุด่วน")
    assert alerted(second, there, other) == [other.ref]
    assert reason(second, there) == "police_station, the district; on the scene of another incident"

    with story.deployment.store.transaction() as tx:
        tx.session.get_one(tables.Responder, other.row_id).active = False
    third = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    there.hears("เหตุด่วน")
    assert reason(third, there, "chosen").endswith("on the scene of another incident, and nobody is free")


def test_two_incidents_at_the_same_instant_do_not_ask_one_past_their_capacity_while_another_is_free(
    story: Story,
) -> None:
    cars = [story.station(KHON_KAEN, capacity=1) for _ in range(4)]
    story.care_team(KHON_KAEN)
    incidents: list[Incident] = []
    report = lambda: incidents.append(story.citizen().reports_by_api("assault", at=KHON_KAEN))  # noqa: E731
    at_once(*[report] * len(cars))
    for car in cars:
        car.hears("เหตุด่วน")
    assert sorted(ref for incident in incidents for ref in alerted(incident, *cars)) == sorted(car.ref for car in cars)

    one_more = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    asked_twice = next(car for car in cars if car.ref in alerted_soon(one_more, cars))
    asked_twice.hears("เหตุด่วน")
    assert reason(one_more, asked_twice, "chosen").endswith(
        "being asked for 1 more, and has room for 1, and nobody is free"
    )


def alerted_soon(incident: Incident, people: list[Responder]) -> list[str]:
    """As `alerted`, once the choice was made."""
    incident.told("responders_selected", track="police")
    return alerted(incident, *people)


def test_who_has_just_been_out_rests_while_another_is_free(story: Story) -> None:
    rested = story.station(KHON_KAEN, rest_s=3600)
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    rested.hears("เหตุด่วน")
    rested.taps("รับทราบ")
    rested.hears("บันทึกแล้ว")
    rested.taps("ระงับเหตุแล้ว")
    rested.hears("ยุติแล้ว")
    incident.told("resolved")

    other = story.station(KHON_KAEN)
    second = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    other.hears("เหตุด่วน")
    assert reason(second, rested) == "police_station, the district; resting for 60 min more"


def test_behind_many_who_cannot_go_the_one_who_can_is_found(story: Story) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    for _ in range(20):
        story.station(KHON_KAEN, leave_until=until, **base(KHON_KAEN))
    last = story.station(KHON_KAEN, **base(NOT_FAR))
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    last.hears("เหตุด่วน")
    (choice,) = (choice for choice in incident.now["choices"] if choice["track"] == "police")
    assert [item["reason"] for item in choice["passed_over"]] == ["not on call"] * 20


def test_whom_no_district_near_the_pin_has_the_rest_of_the_province_has(story: Story) -> None:
    """The 191 centre's step asks the province; its only centre is one that serves a district far from the pin."""
    radio = story.radio_191(KHON_KAEN, LINE_ONLY, district="4012")
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    radio.hears("เหตุด่วน")
    assert alerted(incident, radio) == [radio.ref]


# --- every reason can be read ----------------------------------------------------------------------------
def test_a_supervisor_reads_of_everybody_why_they_were_chosen_or_not(story: Story) -> None:
    chosen, next_in_line = story.station(KHON_KAEN, **base(KHON_KAEN)), story.station(KHON_KAEN, **base(NOT_FAR))
    away = story.station(KHON_KAEN, line_blocked=True)
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    chosen.hears("เหตุด่วน")

    page = story.deployment.http.get(
        f"/board/{incident.code}", auth=("", story.deployment.keys[KeyRole.SUPERVISOR])
    ).text
    with story.deployment.store.transaction() as tx:
        row = views.find(tx, incident.code)
        written = StringIO()
        console = Console(file=written, width=200)
        print_story(console, Texts(HERE / "messages", "th"), views.detail(tx, row), views.timeline(tx, row))
    for person, why in {
        chosen: "police_station, the district, 0.0 km away",
        next_in_line: "police_station, the district, 3.3 km away; others nearer",
        away: "no channel reaches them",
    }.items():
        assert f"{person.spoken_name} — {why}" in written.getvalue()
        assert person.spoken_name in page
        assert why in page
