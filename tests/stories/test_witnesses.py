"""Several people tell of the same: one incident, one station that goes, and everybody who reported hears of it.

Reports of `running_amok` join here, as shipped: within 200 m and 15 minutes.  Those of the other types do not, so
that other stories may have several incidents in one place.
"""

from uuid import uuid4

import pytest
from story import CHIANG_RAI, SURAT_THANI, UBON_RATCHATHANI, Citizen, Incident, Spot, Story, at_once

from ess.store import tables
from ess.store.keys import KeyRole


def reported(story: Story, citizen: Citizen, spot: Spot, **more: object) -> str:
    """The incident to which an intake service is told that the report belongs."""
    answer = story.post_report(citizen.report("running_amok", spot, **more))  # type: ignore[arg-type]
    assert answer.status_code == 202, answer.text
    return str(answer.json()["incident_id"])


def test_neighbours_who_report_the_same_are_witnesses_of_one_incident(story: Story) -> None:
    station = story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    first, second = story.citizen(), story.citizen(line=False)
    incident = first.reports("running_amok", at=CHIANG_RAI)
    first.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")

    second.witnesses(incident, "running_amok", CHIANG_RAI.metres_north(150), contact="text_only", external_id="B-2")
    second.hears(f"รับเรื่องแล้ว {incident.code}")
    assert [(report["source"], report["contact"], report["external_id"]) for report in incident.now["reports"]] == [
        ("line", "none", None),
        ("api", "text_only", "B-2"),
    ]

    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    first.hears(f"{station.spoken_name} รับทราบแล้ว")
    second.hears("เจ้าหน้าที่รับทราบแล้ว")

    third = story.citizen(line=False)
    third.witnesses(incident, "running_amok", CHIANG_RAI, contact="text_only")
    third.hears(f"รับเรื่องแล้ว {incident.code}")
    third.hears("เจ้าหน้าที่รับทราบแล้ว คาดว่าถึงภายใน")

    station.taps("ถึงที่เกิดเหตุ")
    station.hears("บันทึกแล้ว")
    first.hears("ถึงที่เกิดเหตุแล้ว")
    fourth = story.citizen()
    fourth.presses("action=report")
    fourth.hears("เกิดเหตุอะไรขึ้น")
    fourth.taps("คนคลุ้มคลั่ง")
    fourth.hears("แชร์พิกัดตำแหน่ง")
    fourth.shares(CHIANG_RAI)
    fourth.hears(f"รับเรื่องแล้ว (รหัส {incident.code})")
    fourth.hears("เจ้าหน้าที่รับเหตุนี้แล้ว")
    incident.told("joined", times=3)
    assert len(incident.now["reports"]) == 4


def test_whoever_has_it_hears_of_a_witness_who_says_more_and_of_no_other(story: Story) -> None:
    station = story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    incident = story.citizen().reports_by_api("running_amok", at=CHIANG_RAI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")

    story.citizen().witnesses(incident, "running_amok", CHIANG_RAI)
    story.citizen().witnesses(
        incident, "running_amok", CHIANG_RAI, description="a made-up detail", victim_is_minor=True
    )
    heard = station.hears("มีผู้แจ้งเพิ่ม")
    assert "ไม่ใช่เหตุใหม่" in heard["text"]
    assert "made-up" not in heard["text"]
    station.hears("a made-up detail")  # in a card of its own, which shows nothing on a locked screen
    assert len(incident.facts("alerted", track="police")) == 1


@pytest.mark.parametrize(
    ("metres", "kind"),
    [(260, "running_amok"), (400, "running_amok"), (20, "assault")],
    ids=["near", "far", "other type"],
)
def test_what_is_farther_off_or_of_another_type_is_another_incident(story: Story, metres: float, kind: str) -> None:
    story.station(SURAT_THANI).may_hear("เหตุด่วน")
    story.care_team(SURAT_THANI)
    one = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    other = story.citizen().reports_by_api(kind, at=SURAT_THANI.metres_north(metres))
    assert one.id != other.id


def test_a_report_without_a_pin_joins_nothing(story: Story) -> None:
    story.station(SURAT_THANI).may_hear("เหตุด่วน")
    story.care_team(SURAT_THANI)
    by_pin = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    words = {"address": "อ.เมืองสุราษฎร์ธานี จ.สุราษฎร์ธานี"}
    by_words = story.citizen().reports_by_api("running_amok", location=words)
    again = story.citizen().reports_by_api("running_amok", location=words)
    assert len({by_pin.id, by_words.id, again.id}) == 3


def test_what_is_over_is_joined_by_nobody(story: Story) -> None:
    station = story.station(SURAT_THANI)
    story.care_team(SURAT_THANI)
    over = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    assert over.ask("cancel").status_code == 200
    station.hears("ยุติแล้ว")
    fresh = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    assert fresh.id != over.id


def test_what_began_too_long_ago_or_under_a_policy_without_joining_is_joined_by_nobody(story: Story) -> None:
    story.station(SURAT_THANI).may_hear("เหตุด่วน")
    story.care_team(SURAT_THANI)
    old = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    with story.deployment.store.transaction() as tx:
        row = tx.session.get_one(tables.Incident, old.id)
        row.received_at = row.received_at.replace(year=2020)
    frozen = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    assert frozen.id != old.id
    with story.deployment.store.transaction() as tx:
        policy = tx.session.get_one(tables.Policy, tx.session.get_one(tables.Incident, frozen.id).policy_id)
        body = {name: value for name, value in policy.body.items() if name != "join"}
        tx.session.merge(tables.Policy(id="before-joining", type=policy.type, body=body))
        tx.session.flush()
        tx.session.get_one(tables.Incident, frozen.id).policy_id = "before-joining"
    fresh = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    assert fresh.id not in {old.id, frozen.id}
    frozen.told("alerted")


def test_a_drill_is_joined_by_nobody(story: Story) -> None:
    story.station(SURAT_THANI).may_hear("เหตุด่วน")
    story.care_team(SURAT_THANI)
    one = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    with story.deployment.store.transaction() as tx:
        tx.session.get_one(tables.Incident, one.id).drill = True
    other = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    assert other.id != one.id
    with story.deployment.store.transaction() as tx:
        tx.session.get_one(tables.Incident, one.id).drill = False


def test_neighbours_who_report_at_the_same_instant_are_witnesses_of_one_incident(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    found: list[str] = []
    # On both sides of the edges between squares of the map.
    spots = [UBON_RATCHATHANI.metres_north(metres) for metres in (0, 25, 50, 75, 100, 125, 150, 175)]
    at_once(*(lambda spot=spot: found.append(reported(story, story.citizen(), spot)) for spot in spots))
    assert len(found) == len(spots)
    assert len(set(found)) == 1
    incident = Incident(story, found[0])
    assert len(incident.now["reports"]) == len(spots)
    station.hears("เหตุด่วน")


def test_the_same_report_twice_is_one_witness(story: Story) -> None:
    story.station(SURAT_THANI).may_hear("เหตุด่วน")
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("running_amok", at=SURAT_THANI)
    body, key = story.citizen().report("running_amok", SURAT_THANI), str(uuid4())
    answers = [story.post_report(body, key).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert len(incident.now["reports"]) == 2


def test_a_supervisor_splits_what_is_not_the_same(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    one, other = story.citizen(line=False), story.citizen(line=False)
    incident = one.reports_by_api("running_amok", at=UBON_RATCHATHANI, contact="text_only")
    one.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    one.hears("เจ้าหน้าที่รับทราบแล้ว")
    report_id = other.witnesses(incident, "running_amok", UBON_RATCHATHANI, contact="text_only")
    other.hears("รับเรื่องแล้ว")
    other.hears("เจ้าหน้าที่รับทราบแล้ว")

    refused = incident.ask("split", reports=[report["report_id"] for report in incident.now["reports"]])
    assert refused.status_code == 409
    assert incident.ask("split", reports=[str(uuid4())]).status_code == 404
    assert story.post(f"{incident.path}/split", {"reports": [report_id]}, KeyRole.OPERATOR).status_code == 403
    answer = incident.ask("split", reports=[report_id])
    assert answer.status_code == 200, answer.text
    apart = Incident(story, answer.json()["incident_id"])
    other.hears(f"รับเรื่องแล้ว {apart.code}")
    station.hears(f"เหตุด่วน {apart.code}")
    assert [report["report_id"] for report in apart.now["reports"]] == [report_id]
    assert len(incident.now["reports"]) == 1
    assert incident.told("split")["into_code"] == apart.code
    assert apart.told("split_off")["from_code"] == incident.code

    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    other.hears("เจ้าหน้าที่รับทราบแล้ว")
    assert incident.now["state"] == "acknowledged"


def test_a_supervisor_merges_what_is_the_same_and_everybody_hears_the_code_that_goes_on(story: Story) -> None:
    station, neighbour = story.station(CHIANG_RAI), story.station(UBON_RATCHATHANI)
    story.care_team(CHIANG_RAI)
    story.care_team(UBON_RATCHATHANI)
    one, other = story.citizen(line=False), story.citizen()
    goes_on = one.reports_by_api("assault", at=CHIANG_RAI, contact="text_only")
    one.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    one.hears("เจ้าหน้าที่รับทราบแล้ว")
    merged = other.reports("assault", at=UBON_RATCHATHANI)
    other.hears("รับเรื่องแล้ว")
    neighbour.hears("เหตุด่วน")

    assert merged.ask("merge", into=goes_on.id).status_code == 200
    neighbour.hears(f"เหตุ {merged.code} เป็นเหตุเดียวกับ {goes_on.code}")
    other.hears(f"เรื่องที่คุณแจ้งดำเนินการต่อภายใต้รหัส {goes_on.code}")
    other.hears(f"{station.spoken_name} รับทราบแล้ว (รหัส {goes_on.code})")
    assert merged.now["state"] == "merged"
    assert merged.now["reports"] == []
    assert len(goes_on.now["reports"]) == 2

    other.writes("a made-up detail")  # belongs to the incident that goes on
    other.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    goes_on.told("reporter_wrote")
    station.hears("a made-up detail")
    assert goes_on.ask("merge", into=merged.id).status_code == 409
    assert goes_on.ask("merge", into=goes_on.id).status_code == 409
