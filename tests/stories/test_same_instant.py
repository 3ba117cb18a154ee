"""Two act on one incident at the same instant: the second sees what the first has done, and undoes none of it."""

from collections.abc import Callable
from uuid import UUID

from stack import wait_for
from story import NAKHON_RATCHASIMA, Incident, Responder, Spot, Story

from ess import outbox
from ess.domain.incident import Accept, decide
from ess.engine import Engine
from ess.store import incidents

#: In the east of Nakhon Ratchasima.
OF_KHORAT = Spot(15.02, 102.24, "30", "3032")

#: Transactions that wait for a row of an incident.
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM incident%'"


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
