"""Who is alerted, and why: the right ones are asked, nobody beyond what they can hold, and every reason can be read."""

from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console
from sqlmodel import select
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
#: More than 2 and less than 5 km from the pin of Khon Kaen, …
NOT_FAR = Spot(16.4719, 102.8360, "40", "4001")
#: … between 5 and 15 km, …
BEYOND_5_KM = Spot(16.52, 102.84, "40", "4001")
#: … and farther than any volunteer is asked from.
FARTHER = Spot(16.60, 102.90, "40", "4001")


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
    far = story.volunteer(FARTHER)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    team.hears("เหตุด่วน")
    first.hears("เหตุด่วน")
    second.hears("เหตุด่วน")
    assert reason(incident, third).startswith("others nearer, ")
    assert reason(incident, far).startswith("farther than 15 km, ")

    first.taps("รับทราบ")
    first.hears("บันทึกแล้ว")
    assert incident.holder("social_care") is None, "the team is waited for all the same"
    team.taps("รับทราบ")
    team.hears("บันทึกแล้ว")
    second.hears(f"{team.spoken_name} รับทราบแล้ว")
    assert incident.holder("social_care") == team.ref


def test_where_too_few_volunteers_are_near_those_farther_away_come_beside_the_team_at_once(story: Story) -> None:
    story.station(KHON_KAEN).may_hear("เหตุด่วน")
    team, near, drawn = story.one_home(KHON_KAEN), story.volunteer(NOT_FAR), story.volunteer(KHON_KAEN)
    for _ in range(16):  # as many as are read at first
        story.volunteer(FARTHER)
    around = [[16.3, 102.7], [16.3, 103.0], [16.6, 103.0], [16.6, 102.7]]
    with story.deployment.store.transaction() as tx:  # nobody knows where they live, and this is their area
        row = tx.session.get_one(tables.Responder, drawn.row_id)
        row.latitude, row.longitude, row.outline = None, None, around
    story.citizen().reports_by_api("gathering", at=KHON_KAEN)
    team.hears("เหตุด่วน")
    near.hears("เหตุด่วน")
    drawn.hears("เหตุด่วน")

    far = story.volunteer(BEYOND_5_KM)
    second = story.citizen().reports_by_api("gathering", at=KHON_KAEN)
    team.hears("เหตุด่วน")
    near.hears("เหตุด่วน")
    far.hears("เหตุด่วน")
    (choice,) = (choice for choice in second.now["choices"] if choice["track"] == "social_care")
    assert choice["step"] == 1


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
    assert reason(second, there) == "on the scene of another incident, the district"

    with story.deployment.store.transaction() as tx:
        tx.session.get_one(tables.Responder, other.row_id).active = False
    radio = story.radio_191(PHITSANULOK, LINE_ONLY)
    third = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    there.hears("เหตุด่วน")
    radio.hears("เหตุด่วน")  # beside them at once: whoever is on a scene is not waited for
    assert reason(third, there, "chosen") == "the district, on the scene of another incident, and nobody is free"
    waits = [due for due in third.now["due"] if (due["kind"], due["subject"]) == ("acknowledge", "police")]
    assert [track["step"] for track in third.now["tracks"] if track["name"] == "police"] == [2]
    assert len(waits) == 1


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
        ", being asked for 1 more, and has room for 1, and nobody is free"
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
    assert reason(second, rested) == "resting, free in 60 min, the district"


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


def test_of_those_who_were_not_even_looked_at_it_is_told_how_many_and_how_far(story: Story) -> None:
    nearest = story.station(KHON_KAEN, **base(KHON_KAEN))
    for _ in range(20):
        story.station(KHON_KAEN, **base(NOT_FAR))
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    nearest.hears("เหตุด่วน")
    (choice,) = (choice for choice in incident.now["choices"] if choice["track"] == "police")
    assert len(choice["passed_over"]) + choice["n_more"] == 20
    (rest,) = choice["rest"]
    assert (rest["n"], rest["reason"]) == (choice["n_more"], "all farther than 3.3 km")
    assert f"and {rest['n']} more: all farther than 3.3 km" in as_shown(story, incident)


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

    page = on_the_board(story, incident)
    shown = as_shown(story, incident)
    for person, (why, in_thai) in {
        chosen: ("the district, 0.0 km away", "รับผิดชอบอำเภอ/เขตที่เกิดเหตุ, อยู่ห่าง 0.0 กม."),
        next_in_line: (
            "others nearer, the district, 3.3 km away",
            "มีผู้อื่นอยู่ใกล้กว่า, รับผิดชอบอำเภอ/เขตที่เกิดเหตุ, อยู่ห่าง 3.3 กม.",
        ),
        away: ("no channel reaches them", "ไม่มีช่องทางที่ติดต่อได้"),
    }.items():
        assert f"{person.spoken_name} — {why}" in shown
        assert person.spoken_name in page
        assert in_thai in page
        assert why not in page, "English on a Thai board"


def test_reasons_of_an_earlier_release_are_shown_as_they_are(story: Story) -> None:
    station = story.station(KHON_KAEN)
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    station.hears("เหตุด่วน")
    incident.told("responders_selected", track="police")
    old = "police_station, the district; others nearer"
    with story.deployment.store.transaction() as tx:
        query = select(tables.Fact).where(tables.Fact.incident_id == views.find(tx, incident.code).id)
        (fact,) = (
            fact
            for fact in tx.session.exec(query.where(tables.Fact.fact == "responders_selected"))
            if fact.data["track"] == "police"
        )
        item = {"responder_id": str(station.row_id), "reason": old}
        fact.data = {**fact.data, "chosen": [item], "passed_over": [item], "n_more": 3}
        fact.data.pop("rest")
    assert reason(incident, station) == reason(incident, station, "chosen") == old
    assert "· and 3 more" in as_shown(story, incident)
    assert old in on_the_board(story, incident)


def test_where_the_place_may_be_another_a_supervisor_reads_which(story: Story) -> None:
    story.station(THE_BORDER).may_hear("เหตุด่วน")
    story.station(ACROSS).may_hear("เหตุด่วน")
    story.care_team(THE_BORDER)
    incident = story.citizen().reports_by_api("assault", at=THE_BORDER)
    incident.told("located")
    place = incident.now["place"]
    others = [area["name_th"] for area in (*place["districts"][1:], *place["candidates"][1:])]
    assert "สุโขทัย" in others
    shown = as_shown(story, incident)
    assert f"may also be in {', '.join(others)}" in shown
    assert f"confidence {place['confidence']:.2f}" in shown
    assert f"อาจอยู่ใน {', '.join(others)}" in on_the_board(story, incident)


def as_shown(story: Story, incident: Incident) -> str:
    """What `ess show` prints."""
    with story.deployment.store.transaction() as tx:
        row = views.find(tx, incident.code)
        written = StringIO()
        console = Console(file=written, width=300)
        print_story(console, Texts(HERE / "messages", "th"), views.detail(tx, row), views.timeline(tx, row))
    return written.getvalue()


def on_the_board(story: Story, incident: Incident) -> str:
    """The incident's page."""
    supervisor = ("", story.deployment.keys[KeyRole.SUPERVISOR])
    return story.deployment.http.get(f"/board/{incident.code}", auth=supervisor).text
