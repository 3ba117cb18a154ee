"""The HTTP edge as other programs and the providers meet it: what is taken, what is refused, and how it says so."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from celery import Celery
from sqlmodel import col, select
from stack import Deployment, wait_for
from story import ABROAD, PHITSANULOK, Citizen, Story
from twilio.request_validator import RequestValidator

from ess.conversation.texts import BANGKOK
from ess.domain.errors import Refused
from ess.simulator.edge import line_signature
from ess.store import tables
from ess.store.keys import KeyRole, create_key

INBOUND = "SELECT count(*) FROM inbound"


@pytest.fixture(autouse=True)
def _quiet(story: Story) -> Iterator[None]:
    """Whatever a test files is over when it ends; the people of the roster are nobody's here."""
    yield
    story.expects_complaints = True


def report(**more: Any) -> dict[str, Any]:
    return {"type": "assault", "location": PHITSANULOK.pin, **more}


def headers(deployment: Deployment, key: str | None = None) -> dict[str, str]:
    return deployment.bearer(KeyRole.INTAKE) | {"Idempotency-Key": key or str(uuid4())}


def post(deployment: Deployment, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    return deployment.http.post("/v1/reports", json=body, headers=headers(deployment, key))


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["detail"], "a refusal says what to do"
    return document


# --- POST /v1/reports ------------------------------------------------------------------------------------
def test_a_report_is_taken_with_its_code(deployment: Deployment) -> None:
    answer = post(deployment, report())
    assert answer.status_code == 202
    assert set(answer.json()) == {"report_id", "incident_id", "code"}
    assert deployment.get(f"/v1/incidents/{answer.json()['code']}")["incident_id"] == answer.json()["incident_id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (report(type="secret-รหัสลับ"), "type"),
        (report(location={"latitude": 16.8}), "location"),
        (report(location={"latitude": "secret-รหัสลับ", "longitude": 100}), "location.latitude"),
        (report(location={"latitude": 91, "longitude": 100}), "location.latitude"),
        (report(reporter={"phone": "secret-รหัสลับ"}), "reporter.phone"),
        (report(reporter={"contact": "secret-รหัสลับ"}), "reporter.contact"),
        (report(reported_at="2026-01-01T00:00:00"), "reported_at"),
        (report(victim_is_minor="secret-รหัสลับ"), "victim_is_minor"),
        (report(surprise="secret-รหัสลับ"), "surprise"),
        ({"location": PHITSANULOK.pin}, "type"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_never_repeated(
    deployment: Deployment, body: dict[str, Any], field: str
) -> None:
    answer = post(deployment, body)
    found = problem(answer, 422)
    assert [error["field"] for error in found["errors"]] == [field]
    assert "รหัสลับ" not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[1, 2", '{"type": "เหตุ"}'.encode("cp874"), b"[" * 100_000])
def test_what_is_not_json_is_refused(deployment: Deployment, content: bytes) -> None:
    sent = headers(deployment) | {"Content-Type": "application/json"}
    answer = deployment.http.post("/v1/reports", content=content, headers=sent)
    assert "UTF-8" in problem(answer, 400)["detail"]


@pytest.mark.parametrize(
    ("content", "kind"), [(b"", "application/json"), (b"null", "application/json"), (b"type=assault", "text/plain")]
)
def test_a_body_that_is_no_json_object_is_told_what_to_send(deployment: Deployment, content: bytes, kind: str) -> None:
    sent = headers(deployment) | {"Content-Type": kind}
    answer = deployment.http.post("/v1/reports", content=content, headers=sent)
    assert "Content-Type: application/json" in problem(answer, 422)["detail"]


def test_who_misses_the_path_the_method_or_the_header_is_told_where_to_look(deployment: Deployment) -> None:
    http = deployment.http
    assert "/docs" in problem(http.get("/v1/report"), 404)["detail"]
    assert "/docs" in problem(http.put("/v1/reports"), 405)["detail"]
    assert "Bearer KEY" in problem(http.get("/board", headers={"Authorization": "Basic !"}), 401)["detail"]


def test_the_bare_address_leads_a_person_to_the_board_and_tells_a_program_where_to_look(deployment: Deployment) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    led = deployment.http.get("/", headers=browser)
    assert (led.status_code, led.headers["location"]) == (303, "/board")
    at_the_door = deployment.http.get(led.headers["location"], headers=browser)
    assert (at_the_door.status_code, at_the_door.headers["content-type"]) == (401, "text/html; charset=utf-8")
    told = deployment.http.get("/")
    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    assert {"/docs", "/healthz"} <= set(told.json().values())
    for path in (value for value in told.json().values() if value.startswith("/")):
        assert deployment.http.get(path).status_code != 404, path
    assert led.headers["vary"] == told.headers["vary"] == "Accept"


def test_a_report_needs_a_key(deployment: Deployment) -> None:
    for wrong in ({}, {"Authorization": "Bearer ess_guessed"}, {"Authorization": "Basic eDp5"}):
        answer = deployment.http.post("/v1/reports", json=report(), headers={"Idempotency-Key": "k", **wrong})
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_intake_key_may_file_and_nothing_else(deployment: Deployment) -> None:
    intake, operator = deployment.bearer(KeyRole.INTAKE), deployment.bearer(KeyRole.OPERATOR)
    code = post(deployment, report()).json()["code"]
    incident_id = deployment.get(f"/v1/incidents/{code}")["incident_id"]
    problem(deployment.http.get("/v1/incidents", headers=intake), 403)
    problem(deployment.http.get(f"/v1/incidents/{code}", headers=intake), 403)
    assert deployment.http.get("/v1/incidents", headers=operator).status_code == 200
    problem(deployment.http.post(f"/v1/incidents/{incident_id}/cancel", json={}, headers=operator), 403)


def test_a_report_needs_an_idempotency_key(deployment: Deployment) -> None:
    answer = deployment.http.post("/v1/reports", json=report(), headers=deployment.bearer(KeyRole.INTAKE))
    assert "Idempotency-Key" in problem(answer, 400)["detail"]
    too_long = headers(deployment, key="k" * 201)
    problem(deployment.http.post("/v1/reports", json=report(), headers=too_long), 400)


def test_the_same_key_and_report_gives_the_same_answer(deployment: Deployment) -> None:
    key = str(uuid4())
    first, second = post(deployment, report(), key), post(deployment, report(), key)
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()


def test_the_same_key_with_another_report_is_a_conflict(deployment: Deployment) -> None:
    key = str(uuid4())
    assert post(deployment, report(), key).status_code == 202
    assert "new key" in problem(post(deployment, report(description="another"), key), 409)["detail"]


def test_a_body_that_is_too_large_is_refused(deployment: Deployment) -> None:
    huge = json.dumps(report(description="x" * 300_000)).encode()
    sent = headers(deployment) | {"Content-Type": "application/json"}
    problem(deployment.http.post("/v1/reports", content=huge, headers=sent), 413)

    def in_chunks() -> Iterator[bytes]:
        for start in range(0, len(huge), 8192):
            yield huge[start : start + 8192]

    answer = deployment.http.post("/v1/reports", content=in_chunks(), headers=sent)
    assert "content-length" not in answer.request.headers
    problem(answer, 413)


def test_five_thousand_characters_are_taken_and_one_more_is_not(deployment: Deployment) -> None:
    longest = "ผู้แจ้งได้ยินเสียงร้อง" * 227 + "🆘🏠🚓👧🏽‍🦱"
    longest = longest[:5000].ljust(5000, "ก")
    assert len(longest) == 5000
    answer = post(deployment, report(description=longest))
    assert answer.status_code == 202, answer.text
    with deployment.store.transaction() as tx:
        row = tx.session.exec(select(tables.Report).where(tables.Report.id == answer.json()["report_id"])).one()
        assert row.details["description"] == longest
    assert [
        error["field"] for error in problem(post(deployment, report(description=longest + "ก")), 422)["errors"]
    ] == ["description"]


@pytest.mark.parametrize("words", ["nul \x00 inside", "\ud83d"], ids=["NUL", "half a surrogate"])
def test_characters_that_a_database_cannot_hold_are_no_server_error(deployment: Deployment, words: str) -> None:
    content = json.dumps(report(description=words, external_id=words[:5])).encode()
    sent = headers(deployment) | {"Content-Type": "application/json"}
    answer = deployment.http.post("/v1/reports", content=content, headers=sent)
    assert answer.status_code in {202, 400, 422}, answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (report(location={**PHITSANULOK.pin, "accuracy_m": float("inf")}), "location.accuracy_m"),
        (report(reported_at="9999-12-31T23:59:59-12:00"), "reported_at"),
        (report(reported_at="0001-01-01T00:00:00+07:00"), "reported_at"),
    ],
)
def test_what_no_row_can_hold_is_refused_before_it_could_hold_up_an_alert(
    deployment: Deployment, body: dict[str, Any], field: str
) -> None:
    sent = headers(deployment) | {"Content-Type": "application/json"}
    answer = deployment.http.post("/v1/reports", content=json.dumps(body), headers=sent)
    assert [error["field"] for error in problem(answer, 422)["errors"]] == [field]


@pytest.mark.parametrize("path", ["/v1/incidents/%00", "/v1/incidents/%00/timeline", "/v1/follow-ups?responder=%00"])
def test_what_no_row_can_be_called_is_no_failing_database(deployment: Deployment, path: str) -> None:
    found = problem(deployment.http.get(path, headers=deployment.bearer(KeyRole.SUPERVISOR)), 422)
    assert "U+0000" in found["detail"], "the same request would fail again"


def test_an_idle_edge_answers_fast(deployment: Deployment, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed to be looked at: how fast depends on who else uses the machine."""
    citizen = story.citizen()
    citizen.may_hear("แจ้งเหตุด่วน")
    ask: dict[str, Callable[[], httpx.Response]] = {
        "POST /v1/reports": lambda: post(deployment, report(location=ABROAD.pin)),
        "POST /webhooks/line": lambda: post_line(deployment, webhook(line_event(citizen))),
    }
    for what, call in ask.items():
        took_ms = []
        for _ in range(100):
            began = time.perf_counter()
            answer = call()
            took_ms.append((time.perf_counter() - began) * 1000)
            assert answer.status_code in {200, 202}
            deployment.settle()
        took_ms.sort()
        with capsys.disabled():
            sys.stdout.write(f"\n{what}, 100 in a row: p50 {took_ms[49]:.1f} ms, p99 {took_ms[98]:.1f} ms\n")


# --- GET /v1/incidents -----------------------------------------------------------------------------------
@pytest.mark.parametrize("written", ["{}T{}:00+07:00", "{} {}:00+07:00", "{}T{}+0700", "{}T{}:00.250+07:00"])
@pytest.mark.parametrize("plus", ["+", "%2B", "%20"])
def test_an_offset_is_understood_however_its_plus_arrives(deployment: Deployment, written: str, plus: str) -> None:
    code = post(deployment, report()).json()["code"]
    received_at = datetime.fromisoformat(deployment.get(f"/v1/incidents/{code}")["received_at"])
    operator = deployment.bearer(KeyRole.OPERATOR)

    def listed(since: datetime) -> set[str]:
        local = since.astimezone(BANGKOK)
        asked = written.format(local.date(), f"{local:%H:%M}").replace(" ", "%20").replace("+", plus)
        answer = deployment.http.get(f"/v1/incidents?since={asked}", headers=operator)
        assert answer.status_code == 200, answer.text
        return {incident["code"] for incident in answer.json()["incidents"]}

    assert code in listed(received_at - timedelta(minutes=1))
    assert code not in listed(received_at + timedelta(minutes=2))


@pytest.mark.parametrize("naive", ["2026-04-20", "2026-04-20T08:30:00", "2026-04-20%2007:00"])
def test_an_instant_without_an_offset_is_told_so(deployment: Deployment, naive: str) -> None:
    answer = deployment.http.get(f"/v1/incidents?since={naive}", headers=deployment.bearer(KeyRole.OPERATOR))
    (told,) = problem(answer, 422)["errors"]
    assert told["field"] == "since"
    assert "timezone" in told["problem"], "the hours of the day are never taken for an offset"


# --- keys ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("blank", ["", " ", "\t\u00a0"])
def test_a_key_without_a_name_is_refused(deployment: Deployment, blank: str) -> None:
    with pytest.raises(Refused, match="needs a name"), deployment.store.transaction() as tx:
        create_key(tx, blank, KeyRole.INTAKE)


# --- LINE ------------------------------------------------------------------------------------------------
def line_event(citizen: Citizen, words: str = "สวัสดี") -> dict[str, Any]:
    return {
        "type": "message",
        "message": {"type": "text", "id": "1", "text": words},
        "webhookEventId": uuid4().hex,
        "timestamp": 1_700_000_000_000,
        "source": {"type": "user", "userId": citizen.line_id},
        "mode": "active",
        "deliveryContext": {"isRedelivery": False},
    }


def post_line(deployment: Deployment, body: bytes, signature: str | None = None) -> httpx.Response:
    """As LINE does it; signed rightly unless said."""
    right = line_signature(deployment.stack.environment["ESS_LINE_CHANNEL_SECRET"], body)
    return deployment.http.post("/webhooks/line", content=body, headers={"x-line-signature": signature or right})


def webhook(*events: dict[str, Any]) -> bytes:
    return json.dumps({"destination": "U" + "d" * 32, "events": events}).encode()


def test_a_forged_line_webhook_leaves_no_trace(deployment: Deployment, story: Story) -> None:
    deployment.settle()
    before, body = deployment.count(INBOUND), webhook(line_event(story.citizen()))
    problem(deployment.http.post("/webhooks/line", content=body), 401)
    for forged in ("AAAA", "not base64 ✗".encode().hex(), line_signature("another secret", body)):
        answer = post_line(deployment, body, forged)
        problem(answer, 403)
        assert forged not in answer.text
    problem(post_line(deployment, body + b" ", line_signature("x", body)), 403)
    assert deployment.count(INBOUND) == before


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"events": 3}', b'{"events": [{}]}', b'{"events": ["x"]}', b"{}", b"\xff\xff"],
)
def test_a_signed_line_webhook_that_is_none_is_refused(deployment: Deployment, body: bytes) -> None:
    before = deployment.count(INBOUND)
    problem(post_line(deployment, body), 400)
    assert deployment.count(INBOUND) == before


def test_line_checks_the_webhook_without_events(deployment: Deployment) -> None:
    assert post_line(deployment, webhook()).status_code == 200


def test_a_line_webhook_that_comes_again_is_handled_once(deployment: Deployment, story: Story) -> None:
    citizen, somebody_else = story.citizen(), story.citizen()
    event = line_event(citizen)
    before = deployment.count(INBOUND)
    answers = [post_line(deployment, webhook(event)) for _ in range(3)]
    # Redelivered: the same event says so of itself.
    again = event | {"deliveryContext": {"isRedelivery": True}}
    answers.append(post_line(deployment, webhook(again, line_event(somebody_else))))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert deployment.count(INBOUND) == before + 2
    citizen.hears("แจ้งเหตุด่วน")
    somebody_else.hears("แจ้งเหตุด่วน")
    deployment.settle()
    assert len(citizen.messages()) == 1


def test_what_is_said_in_a_group_is_not_answered(deployment: Deployment, story: Story) -> None:
    """The reply would be read by everybody in it, and who speaks there is not alone."""
    citizen = story.citizen()
    for source in ({"type": "group", "groupId": "C" + "1" * 32}, {"type": "room", "roomId": "R" + "1" * 32}):
        event = line_event(citizen, "ช่วยด้วย") | {"source": {**source, "userId": citizen.line_id}}
        assert post_line(deployment, webhook(event)).status_code == 200
    deployment.settle()
    assert citizen.messages() == []


def test_odd_line_events_are_kept_and_harm_nobody(deployment: Deployment, story: Story) -> None:
    """LINE adds kinds of events as it likes: https://developers.line.biz/en/docs/messaging-api/receiving-messages/."""
    citizen = story.citizen()
    citizen.may_hear("แจ้งเหตุด่วน")
    odd = [
        line_event(citizen) | {"type": "brandNew"},
        line_event(citizen) | {"source": {"type": "group", "groupId": "C" + "1" * 32}},
        line_event(citizen) | {"message": {"type": "futuristic"}},
        {"type": "accountLink", "webhookEventId": uuid4().hex},
        line_event(citizen) | {"type": "postback", "postback": {"data": "do=accept&alert=not-an-id"}},
        line_event(citizen) | {"type": "postback", "postback": {"data": f"do=accept&alert={uuid4()}"}},
    ]
    assert post_line(deployment, webhook(*odd)).status_code == 200
    deployment.settle()
    with deployment.store.transaction() as tx:
        ids = [f"line:{event['webhookEventId']}" for event in odd]
        rows = tx.session.exec(select(tables.Inbound).where(col(tables.Inbound.id).in_(ids))).all()
    assert len(rows) == len(odd)
    assert all(row.handled_at for row in rows)


# --- Twilio ----------------------------------------------------------------------------------------------
def test_an_unsigned_or_forged_twilio_webhook_leaves_no_trace(deployment: Deployment) -> None:
    form = {"MessageSid": f"SM{uuid4().hex}", "From": "+66100009999", "Body": "12 1"}
    before = deployment.count(INBOUND)
    for path in ("/webhooks/twilio/sms", "/webhooks/twilio/status", "/webhooks/twilio/voice"):
        problem(deployment.http.post(path, data=form), 401)
        for signature in ("AAAA", signed(deployment, path, form | {"Body": "12 2"})):
            problem(deployment.http.post(path, data=form, headers={"X-Twilio-Signature": signature}), 403)
    assert deployment.count(INBOUND) == before


def signed(deployment: Deployment, path: str, form: dict[str, str]) -> str:
    validator = RequestValidator(deployment.stack.environment["ESS_TWILIO_AUTH_TOKEN"])  # type: ignore[no-untyped-call]
    return str(validator.compute_signature(f"{deployment.stack.url}{path}", form))  # type: ignore[no-untyped-call]


def post_twilio(deployment: Deployment, path: str, form: dict[str, str]) -> httpx.Response:
    return deployment.http.post(path, data=form, headers={"X-Twilio-Signature": signed(deployment, path, form)})


def test_a_twilio_webhook_that_comes_again_is_one_row(deployment: Deployment) -> None:
    form = {"MessageSid": f"SM{uuid4().hex}", "From": "+66100009999", "Body": "สวัสดี"}
    before = deployment.count(INBOUND)
    for _ in range(2):
        answer = post_twilio(deployment, "/webhooks/twilio/sms", form)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/xml")
    assert deployment.count(INBOUND) == before + 1


def test_a_signed_twilio_form_without_its_sid_is_refused(deployment: Deployment) -> None:
    problem(post_twilio(deployment, "/webhooks/twilio/sms", {"Body": "12 1"}), 400)


def test_nobody_picks_up_a_call_to_the_sender(deployment: Deployment) -> None:
    answer = post_twilio(deployment, "/webhooks/twilio/voice", {"CallSid": f"CA{uuid4().hex}"})
    assert answer.status_code == 200
    assert "<Reject/>" in answer.text


# --- Celery ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        {"type": "no such type", "idempotency_key": "k", "reporter": {"name": "นามสมมติ ทดสอบ"}},
        {"type": "assault", "location": PHITSANULOK.pin},
        {},
    ],
    ids=["unknown type", "no key", "empty"],
)
def test_a_task_that_cannot_be_read_is_kept_for_a_person(deployment: Deployment, body: dict[str, Any]) -> None:
    unreadable = "SELECT count(*) FROM inbound WHERE kind = 'unreadable'"
    before, incidents = deployment.count(unreadable), deployment.count("SELECT count(*) FROM incident")
    with Celery(broker=deployment.services.broker_url, set_as_current=False) as intake:
        intake.send_task("ess.accept_report", kwargs={"report": body}, queue="intake")
    wait_for(lambda: deployment.count(unreadable) == before + 1, "the unreadable report is kept")
    assert deployment.count("SELECT count(*) FROM incident") == incidents
    with deployment.store.transaction() as tx:
        newest = tx.session.exec(
            select(tables.Inbound)
            .where(tables.Inbound.kind == "unreadable")
            .order_by(col(tables.Inbound.received_at).desc())
        ).first()
    assert newest is not None
    assert newest.body["report"] == body
    assert "นามสมมติ" not in deployment.log_text("worker-1", "worker-2")
