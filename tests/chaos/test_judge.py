"""The judge finds fault: a run in which all went well, and what it says when one thing of it is changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chaos.breaker import Disturbance
from chaos.evidence import Evidence
from chaos.judge import sms_doubled, tasks_forgotten, violations
from chaos.phones import PromisedReport, Promises, PublishedReport
from chaos.schedule import Break
from ess.store import tables

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LINE_ID, PHONE = "U" + "1" * 32, "+66100000001"
INCIDENT, REPORT, STATION, RADIO, ALERT, SECOND, PUSH, SMS = (UUID(int=number) for number in range(1, 9))
CARD, CODED = "เหตุด่วน", "ESS ตอบ 10 1"
CALLED = {"url": f"https://ess.example/webhooks/twilio/voice?delivery={UUID(int=404)}"}
TAKEN_IN_CALL = "บันทึกแล้วว่าท่านรับเหตุนี้"


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def fact(seconds: float, name: str, **data: Any) -> tables.Fact:
    return tables.Fact(id=int(seconds * 10), incident_id=INCIDENT, at=after(seconds), fact=name, data=data)


def entry(kind: str, person: str, text: str = "", **more: Any) -> dict[str, Any]:
    provider = "twilio" if kind == "sms" else "line"
    plain = {"seq": 1, "at": NOON.isoformat(), "status": 200, "shown": True, "retry_key": None, "sid": None}
    messages = [{"type": "text", "text": text}]
    return plain | {"kind": kind, "person": person, "provider": provider, "text": text, "messages": messages} | more


def alert(alert_id: UUID, responder_id: UUID, step: int, state: str) -> tables.Alert:
    return tables.Alert(
        id=alert_id,
        incident_id=INCIDENT,
        responder_id=responder_id,
        role="police_station",
        track="police",
        step=step,
        state=state,
        reply_code="10",
        created_at=NOON,
    )


def delivery(delivery_id: UUID, alert_id: UUID, channel: str, to: str, text: str) -> tables.Delivery:
    return tables.Delivery(
        id=delivery_id,
        incident_id=INCIDENT,
        alert_id=alert_id,
        channel=channel,
        message="alert",
        envelope={"to": to, "messages": [{"text": text, "buttons": [], "prompt": None}]},
        state="sent",
        attempt=1,
        expires_at=after(600),
        created_at=NOON,
    )


def responder(responder_id: UUID, phone: str | None, line_id: str | None) -> tables.Responder:
    return tables.Responder(
        id=responder_id,
        ref=f"unit-{responder_id.int}",
        name_th="หน่วย",
        name_en="unit",
        agency="test",
        role="police_station",
        phone=phone,
        line_user_id=line_id,
        channels=["line"],
    )


def good_run() -> Evidence:
    """The station let its step pass, the next one accepted."""
    track = {"name": "police", "state": "acknowledged", "step": 2, "holder": str(SECOND)}
    postback = {"postback": {"data": f"do=accept&alert={SECOND}"}}
    about = {"track": "police"}
    first, second = (
        {"alert_id": str(alert_id), "responder_id": str(responder_id), **about}
        for alert_id, responder_id in ((ALERT, STATION), (SECOND, RADIO))
    )
    return Evidence(
        at=after(60),
        ledger=[
            entry("push", LINE_ID, CARD, retry_key=str(PUSH)),
            entry("sms", PHONE, CODED, status=201, sid="SM1"),
            entry("webhook", LINE_ID, sid="E1", shown=False),
        ],
        policies=[
            tables.Policy(
                id="p", type="assault", body={"tracks": [{"name": "police", "acknowledged_by": ["police_station"]}]}
            )
        ],
        incidents=[
            tables.Incident(
                id=INCIDENT,
                code="BCDFGH",
                type="assault",
                state="acknowledged",
                policy_id="p",
                tracks=[track],
                received_at=NOON,
                updated_at=NOON,
            )
        ],
        reports=[
            tables.Report(
                id=REPORT,
                incident_id=INCIDENT,
                source="api",
                owner="api:test",
                idempotency_key="key",
                fingerprint="",
                type="assault",
                contact="none",
                details={},
                received_at=NOON,
            )
        ],
        responders=[responder(STATION, PHONE, None), responder(RADIO, None, LINE_ID)],
        alerts=[alert(ALERT, STATION, 1, "stood_down"), alert(SECOND, RADIO, 2, "accepted")],
        deliveries=[delivery(SMS, ALERT, "sms", PHONE, CODED), delivery(PUSH, SECOND, "line", LINE_ID, CARD)],
        deadlines=[],
        facts=[
            fact(1, "responders_selected", step=1, chosen=[{"responder_id": str(STATION)}], **about),
            fact(1.1, "alerted", step=1, **first),
            fact(5, "step_expired", step=1, due_at=after(4.9).isoformat(), **about),
            fact(5.2, "responders_selected", step=2, chosen=[{"responder_id": str(RADIO)}], **about),
            fact(5.3, "alerted", step=2, **second),
            fact(7, "accepted", **second),
        ],
        inbound=[tables.Inbound(id="line:E1", kind="line", body=postback, received_at=after(6), handled_at=after(7))],
        promises=Promises(reports=[PromisedReport("key", str(REPORT), str(INCIDENT))]),
    )


def test_a_good_run_has_no_violations() -> None:
    assert violations(good_run()) == []


def _with_two_holders(run: Evidence) -> Evidence:
    again = {"alert_id": str(ALERT), "responder_id": str(STATION), "track": "police"}
    first = alert(ALERT, STATION, 1, "accepted")
    return replace(run, facts=[*run.facts, fact(8, "accepted", **again)], alerts=[first, run.alerts[1]])


def _with_late_step(run: Evidence) -> Evidence:
    late = fact(50, "step_expired", step=1, due_at=after(4.9).isoformat(), track="police")
    return replace(run, facts=[late if line.fact == "step_expired" else line for line in run.facts])


def _in_nobodys_hand(run: Evidence) -> Evidence:
    run.incidents[0].tracks = [run.incidents[0].tracks[0] | {"holder": None}]
    run.alerts[1].state = "open"
    return replace(run, facts=run.facts[:-1], inbound=[], ledger=run.ledger[:2])


def _unsent(run: Evidence) -> Evidence:
    run.deliveries[0].state = "unknown"
    return run


def _ununderstood(run: Evidence) -> Evidence:
    run.inbound[0].handled_at = None
    return run


@pytest.mark.parametrize(
    ("doctored", "check"),
    [
        (lambda run: replace(run, mishaps=["the clock ended by itself"]), "mishaps"),
        (lambda run: replace(run, reports=[]), "reports_kept"),
        (lambda run: replace(run, promises=Promises(citizens=[LINE_ID])), "reports_kept"),
        (lambda run: replace(run, promises=Promises(tasks=[PublishedReport("task", NOON)])), "reports_kept"),
        (_in_nobodys_hand, "incidents_in_hand"),
        (lambda run: replace(run, ledger=run.ledger[1:]), "everybody_reached"),
        (lambda run: replace(run, ledger=[run.ledger[0], *run.ledger[2:]]), "everybody_reached"),
        (lambda run: replace(run, facts=[line for line in run.facts if line.fact != "alerted"]), "chosen_are_asked"),
        (lambda run: replace(run, deliveries=run.deliveries[1:]), "chosen_are_asked"),
        (lambda run: replace(run, ledger=[run.ledger[0], *run.ledger]), "line_said_once"),
        (lambda run: replace(run, ledger=[*run.ledger, run.ledger[1]]), "sms_said_once"),
        (lambda run: replace(run, ledger=[*run.ledger, entry("call", PHONE, detail=CALLED)]), "calls_rung_once"),
        (lambda run: replace(run, ledger=[*run.ledger, entry("spoken", PHONE, TAKEN_IN_CALL)]), "digits_recorded"),
        (lambda run: replace(run, facts=run.facts[:-1]), "acknowledgements_lost"),
        (_with_two_holders, "one_holder"),
        (lambda run: replace(run, inbound=[]), "inbound_understood"),
        (_ununderstood, "inbound_understood"),
        (_unsent, "deliveries_ended"),
        (lambda run: replace(run, facts=[*run.facts, run.facts[2]]), "steps_taken_once"),
        (_with_late_step, "steps_in_time"),
    ],
)
def test_one_thing_changed_is_found(doctored: Callable[[Evidence], Evidence], check: str) -> None:
    found = violations(doctored(good_run()))
    assert any(violation.startswith(f"{check}: ") for violation in found), found


def test_a_second_sms_is_counted_where_the_outcome_of_the_first_was_unknown() -> None:
    run = good_run()
    run.deliveries[0].doubtful_since, run.deliveries[0].attempt = NOON, 2
    twice = replace(run, ledger=[*run.ledger, run.ledger[1]])
    assert violations(twice) == []
    assert sms_doubled(twice) == (1, [])


def test_only_a_redis_that_forgot_it_then_excuses_a_report_by_task() -> None:
    run = replace(good_run(), promises=Promises(tasks=[PublishedReport("task", NOON)]))
    flushed, too_late = (Disturbance(Break.FLUSH, after(s), after(s)) for s in (30, 90))
    assert violations(replace(run, disturbances=[flushed])) == []
    assert tasks_forgotten(run) == 1
    written = Disturbance(Break.REDIS, after(20), after(22))
    assert len(violations(replace(run, disturbances=[written, too_late]))) == 1


def test_an_outage_excuses_a_late_step() -> None:
    away = Disturbance(Break.POSTGRES_STOP, after(3), after(49), after(49))
    assert violations(replace(_with_late_step(good_run()), disturbances=[away])) == []
