"""The doubles of LINE and Twilio, driven by the providers' own SDKs and judged by their own verifiers."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from linebot.v3 import WebhookParser
from linebot.v3.messaging import (
    ApiClient,
    ApiException,
    Configuration,
    FlexContainer,
    FlexMessage,
    LocationAction,
    MessageAction,
    MessagingApi,
    PostbackAction,
    PushMessageRequest,
    QuickReply,
    QuickReplyItem,
    ReplyMessageRequest,
    TemplateMessage,
    TextMessage,
    URIAction,
)
from linebot.v3.messaging.models import ButtonsTemplate
from linebot.v3.webhooks import (
    FollowEvent,
    LocationMessageContent,
    MessageEvent,
    PostbackEvent,
    TextMessageContent,
    UnfollowEvent,
)
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from urllib3.exceptions import HTTPError

from ess.simulator.app import CITIZEN, SimulatorSettings, create_app
from ess.simulator.ledger import Kind, Ledger, Provider
from ess.simulator.line_account import ulid
from ess.simulator.line_rules import problems
from ess.simulator.settings import SimulatorMisconfigured, settings_from
from ess.simulator.twilio_account import segments

OFFICER = "U" + "1" * 32
PHONE = "+66812345678"
SENDER = "+15005550006"
PUBLIC_URL = "https://dispatch.example"
SECRET, TOKEN, SID, AUTH = "line-secret", "line-token", "AC" + "0" * 32, "twilio-auth"
WAIT_S = 5.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(app: FastAPI, port: int) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(WAIT_S)
    assert not thread.is_alive(), "the server did not stop"


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    pytest.fail("the condition did not come true in time")


@dataclass
class Edge:
    """A receiver of webhooks that believes only the SDKs' verifiers."""

    events: list[Any] = field(default_factory=list)
    webhooks: list[list[str]] = field(default_factory=list)
    forms: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    twiml: str = "<Response/>"
    #: What another answer than `twiml` is for, by the webhook's name.
    documents: dict[str, str] = field(default_factory=dict)

    def app(self) -> FastAPI:
        app = FastAPI()
        parser, validator = WebhookParser(SECRET), RequestValidator(AUTH)

        @app.post("/webhooks/line")
        async def line(request: Request) -> Response:
            body = (await request.body()).decode()
            events = parser.parse(body, request.headers["x-line-signature"])
            self.webhooks.append([event.webhook_event_id for event in events])
            self.events += events
            return Response()

        @app.post("/webhooks/twilio/{what}")
        async def twilio(request: Request, what: str) -> Response:
            form = {key: str(value) for key, value in (await request.form()).items()}
            url = PUBLIC_URL + request.url.path
            if not validator.validate(url, form, request.headers["x-twilio-signature"]):
                return Response(status_code=403)
            self.forms.append((what, form))
            return Response(self.documents.get(what, self.twiml), media_type="text/xml")

        return app

    def statuses(self, sid: str) -> list[str]:
        return [form["MessageStatus"] for what, form in self.forms if what == "status" and form.get("SmsSid") == sid]


class ToSimulator(TwilioHttpClient):
    """The real client, with another host."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=WAIT_S)
        self._base_url = base_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return super().request(method, self._base_url + path, *args, **kwargs)


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Simulation:
    """A running simulator with its edge and the two SDKs."""

    url: str
    edge: Edge
    clock: Clock
    sim: httpx.Client
    line: MessagingApi
    twilio: Client

    def push(self, to: str, *messages: Any, key: str | None = None) -> Any:
        request = PushMessageRequest(to=to, messages=list(messages))
        return self.line.push_message_with_http_info(request, x_line_retry_key=key, _request_timeout=2)

    def sms(self, body: str = "ทดสอบ", to: str = PHONE, **more: Any) -> Any:
        callback = f"{PUBLIC_URL}/webhooks/twilio/status"
        return self.twilio.messages.create(to=to, from_=SENDER, body=body, status_callback=callback, **more)

    def say(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> dict[str, Any]:
        answer = self.sim.post(f"/sim/{path}", json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def fault(self, provider: str, kind: str, **more: Any) -> None:
        self.sim.post("/sim/faults", json={"provider": provider, "kind": kind, **more}).raise_for_status()

    def ledger(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [entry for entry in self.sim.get("/sim/ledger").json() if kind in {None, entry["kind"]}]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulation]:
    edge, clock = Edge(), Clock()
    edge_port, port = free_port(), free_port()
    settings = SimulatorSettings(
        ess_url=f"http://127.0.0.1:{edge_port}",
        public_url=PUBLIC_URL,
        line_channel_secret=SECRET,
        line_access_token=TOKEN,
        twilio_account_sid=SID,
        twilio_auth_token=AUTH,
    )
    with (
        serving(edge.app(), edge_port),
        serving(create_app(settings, clock), port) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=WAIT_S) as sim,
        ApiClient(Configuration(host=url, access_token=TOKEN)) as api_client,
    ):
        twilio = Client(SID, AUTH, http_client=ToSimulator(url))
        yield Simulation(url, edge, clock, sim, MessagingApi(api_client), twilio)
        twilio.http_client.session.close()


@pytest.fixture
def simulation(running: Simulation) -> Simulation:
    running.say("reset")
    running.edge.events.clear()
    running.edge.webhooks.clear()
    running.edge.forms.clear()
    running.edge.twiml = "<Response/>"
    running.edge.documents.clear()
    running.clock.ahead = timedelta()
    return running


def alert(incident: str = "A") -> TemplateMessage:
    accept = PostbackAction(label="รับเหตุ", data=f"accept:{incident}", display_text="รับเหตุ")
    board = URIAction(label="เปิดแผนที่", uri="https://dispatch.example/a")
    template = ButtonsTemplate(title="เหตุใหม่", text="อ.เมืองพิษณุโลก", actions=[accept, board])
    return TemplateMessage(alt_text="เหตุใหม่", template=template)


# LINE: what the account may do


def test_a_push_is_shown_and_its_ids_come_back(simulation: Simulation) -> None:
    answer = simulation.push(OFFICER, TextMessage(text="เหตุใหม่ 🚨"), alert())
    assert answer.status_code == 200
    assert len(answer.data.sent_messages) == 2
    uuid.UUID(answer.headers["x-line-request-id"])
    (entry,) = simulation.ledger("push")
    assert entry["shown"]
    assert entry["text"] == "เหตุใหม่ 🚨\nเหตุใหม่\nอ.เมืองพิษณุโลก\n[รับเหตุ]\n[เปิดแผนที่]"


def test_a_retry_key_is_accepted_once(simulation: Simulation) -> None:
    key = str(uuid.uuid4())
    first = simulation.push(OFFICER, TextMessage(text="หนึ่ง"), key=key)
    with pytest.raises(ApiException) as repeated:
        simulation.push(OFFICER, TextMessage(text="หนึ่ง"), key=key)
    assert repeated.value.status == 409
    assert repeated.value.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    told = json.loads(repeated.value.body)
    assert told["message"] == "The retry key is already accepted"
    assert told["sentMessages"][0]["id"] == first.data.sent_messages[0].id
    with pytest.raises(ApiException) as changed:
        simulation.push(OFFICER, TextMessage(text="สอง"), key=key)
    assert changed.value.status == 400
    assert [entry["shown"] for entry in simulation.ledger("push")] == [True, False, False]


def test_a_retry_key_is_new_again_after_a_day(simulation: Simulation) -> None:
    key = str(uuid.uuid4())
    simulation.push(OFFICER, TextMessage(text="หนึ่ง"), key=key)
    simulation.clock.ahead = timedelta(hours=24)
    assert simulation.push(OFFICER, TextMessage(text="หนึ่ง"), key=key).status_code == 200


def test_a_wrong_token_is_refused(simulation: Simulation) -> None:
    request = PushMessageRequest(to=OFFICER, messages=[TextMessage(text="ไม่ได้")])
    with (
        ApiClient(Configuration(host=simulation.url, access_token="other")) as other,
        pytest.raises(ApiException) as refused,
    ):
        MessagingApi(other).push_message(request)
    assert refused.value.status == 401


def quick(n: int = 1, label: str = "ใช่", action: Any = None) -> QuickReply:
    return QuickReply(items=[QuickReplyItem(action=action or MessageAction(label=label, text="ใช่"))] * n)


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ({"type": "text", "text": "ก" * 5001}, "messages[0].text"),
        ({"type": "text", "text": "🚨" * 2501}, "messages[0].text"),
        ({"type": "text", "text": ""}, "messages[0].text"),
        ({"type": "letter"}, "messages[0].type"),
        (
            {"type": "text", "text": "ก", "quickReply": quick(1, "ก" * 21).to_dict()},
            "messages[0].quickReply.items[0].action.label",
        ),
        (
            {"type": "text", "text": "ก", "quickReply": {"items": [quick().to_dict()["items"][0]] * 14}},
            "messages[0].quickReply.items",
        ),
        (
            {
                "type": "template",
                "altText": "ก",
                "template": {
                    "type": "buttons",
                    "text": "ก",
                    "actions": [{"type": "location", "label": "ที่ไหน"}],
                },
            },
            "messages[0].template.actions[0].type",
        ),
        (
            {
                "type": "flex",
                "altText": "ก",
                "contents": {
                    "type": "bubble",
                    "body": {
                        "type": "box",
                        "contents": [
                            {
                                "type": "button",
                                "action": {"type": "postback", "label": "รับ", "data": "x" * 301},
                            }
                        ],
                    },
                },
            },
            "messages[0].contents.body.contents[0].action.data",
        ),
    ],
)
def test_what_line_would_refuse_is_refused_with_its_place(
    simulation: Simulation, message: dict[str, Any], where: str
) -> None:
    answer = simulation.sim.post(
        "/v2/bot/message/push",
        json={"to": OFFICER, "messages": [message]},
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    assert answer.status_code == 400
    assert answer.json()["message"] == "The request body has 1 error(s)"
    assert [detail["property"] for detail in answer.json()["details"]] == [where]


def test_limits_themselves_are_allowed() -> None:
    assert problems([{"type": "text", "text": "🚨" * 2500}]) == []
    assert problems([{"type": "text", "text": "ก", "quickReply": quick(13, "ก" * 20).to_dict()}]) == []
    assert problems([])[0]["property"] == "messages"
    assert problems([{"type": "text", "text": "ก"}] * 6)[0]["message"] == "Size must be between 1 and 5"


def test_an_address_that_is_no_user_id_is_refused(simulation: Simulation) -> None:
    with pytest.raises(ApiException) as refused:
        simulation.push("somchai", TextMessage(text="ถึงไหม"))
    assert refused.value.status == 400
    assert "'to'" in json.loads(refused.value.body)["message"]


def test_a_block_keeps_200_but_hides_the_message(simulation: Simulation) -> None:
    simulation.say(f"line/{OFFICER}/block")
    assert isinstance(simulation.edge.events[-1], UnfollowEvent)
    assert simulation.push(OFFICER, TextMessage(text="ไม่มีใครเห็น")).status_code == 200
    assert not simulation.ledger("push")[0]["shown"]
    with pytest.raises(ApiException) as unknown:
        simulation.line.get_profile(OFFICER)
    assert unknown.value.status == 404
    simulation.say(f"line/{OFFICER}/unblock")
    followed = simulation.edge.events[-1]
    assert isinstance(followed, FollowEvent)
    assert followed.follow.is_unblocked
    assert simulation.line.get_profile(OFFICER).user_id == OFFICER


def test_a_lost_block_is_not_reported(simulation: Simulation) -> None:
    simulation.say(f"line/{OFFICER}/block?delivery=lost", status=202)
    assert simulation.edge.events == []
    simulation.push(OFFICER, TextMessage(text="ไม่มีใครเห็น"))
    assert not simulation.ledger("push")[0]["shown"]


def test_a_name_given_to_a_person_is_the_profile(simulation: Simulation) -> None:
    simulation.say("people", {"id": OFFICER, "name": "สภ.ตัวอย่าง"})
    assert simulation.line.get_profile(OFFICER).display_name == "สภ.ตัวอย่าง"


def test_a_reply_token_works_once_and_for_a_minute(simulation: Simulation) -> None:
    def reply_token() -> str:
        simulation.say(f"line/{CITIZEN}/text", {"text": "ช่วยด้วย"})
        return str(simulation.edge.events[-1].reply_token)

    def reply(token: str) -> Any:
        request = ReplyMessageRequest(reply_token=token, messages=[TextMessage(text="รับทราบ")])
        return simulation.line.reply_message(request)

    used, late = reply_token(), reply_token()
    assert len(reply(used).sent_messages) == 1
    with pytest.raises(ApiException, match="Invalid reply token"):
        reply(used)
    simulation.clock.ahead = timedelta(seconds=61)
    with pytest.raises(ApiException, match="Invalid reply token"):
        reply(late)
    assert [entry["shown"] for entry in simulation.ledger("reply")] == [True, False, False]


# LINE: what people do


def test_words_places_and_taps_arrive_signed(simulation: Simulation) -> None:
    answer = simulation.say(f"line/{CITIZEN}/text", {"text": "ช่วยด้วย"})
    assert answer["status"] == 200
    simulation.say(f"line/{CITIZEN}/location", {"latitude": 16.8211, "longitude": 100.2659, "title": "บ้าน"})
    simulation.say(f"line/{CITIZEN}/postback", {"data": "action=report", "display_text": "แจ้งเหตุด่วน"})
    text, place, postback = simulation.edge.events
    assert isinstance(text, MessageEvent)
    assert isinstance(text.message, TextMessageContent)
    assert (text.message.text, text.source.user_id, text.mode) == ("ช่วยด้วย", CITIZEN, "active")
    assert not text.delivery_context.is_redelivery
    assert isinstance(place.message, LocationMessageContent)
    assert (place.message.latitude, place.message.title) == (16.8211, "บ้าน")
    assert isinstance(postback, PostbackEvent)
    assert postback.postback.data == "action=report"
    assert len({event.webhook_event_id for event in simulation.edge.events}) == 3
    assert text.timestamp <= place.timestamp <= postback.timestamp
    for kind in ("sticker", "image"):
        simulation.say(f"line/{CITIZEN}/{kind}")
    assert [event.message.type for event in simulation.edge.events[-2:]] == ["sticker", "image"]


def test_a_tap_does_what_the_button_says(simulation: Simulation) -> None:
    simulation.push(OFFICER, alert("A"))
    older = simulation.ledger("push")[0]["seq"]
    simulation.push(OFFICER, alert("B"))
    simulation.say(f"line/{OFFICER}/tap", {"label": "รับเหตุ"})
    simulation.say(f"line/{OFFICER}/tap", {"label": "รับเหตุ", "seq": older})
    assert [event.postback.data for event in simulation.edge.events] == ["accept:B", "accept:A"]
    assert simulation.say(f"line/{OFFICER}/tap", {"label": "เปิดแผนที่"})["uri"] == "https://dispatch.example/a"
    missing = simulation.say(f"line/{OFFICER}/tap", {"label": "ไม่มี"}, status=404)
    assert "รับเหตุ" in missing["detail"]


def test_flex_buttons_and_quick_replies_can_be_tapped(simulation: Simulation) -> None:
    bubble = {
        "type": "bubble",
        "body": {
            "type": "box",
            "layout": "vertical",
            "contents": [
                {"type": "text", "text": "เหตุ 12", "weight": "bold"},
                {"type": "button", "action": {"type": "postback", "label": "ถึงแล้ว", "data": "arrive"}},
            ],
        },
    }
    flex = FlexMessage(alt_text="เหตุ", contents=FlexContainer.from_dict(bubble))
    simulation.push(OFFICER, flex)
    simulation.push(OFFICER, TextMessage(text="ว่าอย่างไร", quick_reply=quick(label="ใช่ครับ")))
    simulation.say(f"line/{OFFICER}/tap", {"label": "ใช่ครับ"})
    simulation.say(f"line/{OFFICER}/tap", {"label": "ใช่ครับ"}, status=404)  # chips go once something is said
    simulation.say(f"line/{OFFICER}/tap", {"label": "ถึงแล้ว"})
    assert simulation.edge.events[0].message.text == "ใช่"
    assert simulation.edge.events[1].postback.data == "arrive"


def test_a_location_chip_leads_to_the_picker(simulation: Simulation) -> None:
    where = quick(action=LocationAction(label="แชร์พิกัดตำแหน่ง"))
    simulation.push(CITIZEN, TextMessage(text="อยู่ที่ไหน", quick_reply=where))
    told = simulation.say(f"line/{CITIZEN}/tap", {"label": "แชร์พิกัดตำแหน่ง"}, status=409)
    assert "/location" in told["detail"]


def test_webhooks_repeat_double_and_overtake(simulation: Simulation) -> None:
    simulation.say(f"line/{CITIZEN}/redeliver", status=404)
    simulation.say(f"line/{CITIZEN}/text?delivery=doubled", {"text": "หนึ่ง"})
    simulation.say(f"line/{CITIZEN}/redeliver")
    assert len({event.webhook_event_id for event in simulation.edge.events}) == 1
    assert [event.delivery_context.is_redelivery for event in simulation.edge.events] == [False, False, True]
    simulation.edge.events.clear()
    simulation.say(f"line/{CITIZEN}/text?delivery=held", {"text": "ก่อน"}, status=202)
    simulation.say(f"line/{OFFICER}/text?delivery=held", {"text": "หลัง"}, status=202)
    assert simulation.edge.events == []
    simulation.sim.post("/sim/line/release", json={"reverse": True, "together": True}).raise_for_status()
    assert [event.message.text for event in simulation.edge.events] == ["หลัง", "ก่อน"]
    assert len(simulation.edge.webhooks[-1]) == 2


def test_a_dead_edge_is_named() -> None:
    settings = SimulatorSettings(
        ess_url=f"http://127.0.0.1:{free_port()}",
        line_channel_secret=SECRET,
        line_access_token=TOKEN,
        twilio_account_sid=SID,
        twilio_auth_token=AUTH,
    )
    assert settings.public_url == settings.ess_url
    with serving(create_app(settings), free_port()) as url:
        answer = httpx.post(f"{url}/sim/line/{CITIZEN}/text", json={"text": "มีใครไหม"}, trust_env=False)
    assert answer.status_code == 502
    assert settings.ess_url in answer.json()["error"]


# LINE: faults


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        ("500", 500, "Internal Server Error"),
        ("429_rate", 429, "The API rate limit has been exceeded. Try again later."),
        ("429_quota", 429, "You have reached your monthly limit."),
    ],
)
def test_line_fails_as_told_and_then_works(simulation: Simulation, kind: str, status: int, message: str) -> None:
    simulation.fault("line", kind, to=OFFICER)
    assert simulation.push(CITIZEN, TextMessage(text="ผู้อื่นไม่กระทบ")).status_code == 200
    with pytest.raises(ApiException) as failed:
        simulation.push(OFFICER, TextMessage(text="พลาด"))
    assert (failed.value.status, json.loads(failed.value.body)["message"]) == (status, message)
    assert simulation.push(OFFICER, TextMessage(text="ใช้ได้แล้ว")).status_code == 200


def test_a_broken_answer_leaves_the_message_accepted(simulation: Simulation) -> None:
    simulation.fault("line", "drop_after_accept")
    key = str(uuid.uuid4())
    with pytest.raises(HTTPError):
        simulation.push(OFFICER, TextMessage(text="ถึงหรือไม่"), key=key)
    with pytest.raises(ApiException) as repeated:
        simulation.push(OFFICER, TextMessage(text="ถึงหรือไม่"), key=key)
    assert repeated.value.status == 409
    assert [entry["shown"] for entry in simulation.ledger("push")] == [True, False]


@pytest.mark.parametrize(("kind", "accepted"), [("slow", True), ("hang", False)])
def test_a_late_answer_runs_into_the_callers_timeout(simulation: Simulation, kind: str, accepted: bool) -> None:
    simulation.fault("line", kind, delay_ms=1000)
    request = PushMessageRequest(to=OFFICER, messages=[TextMessage(text="ช้า")])
    with pytest.raises(HTTPError):
        simulation.line.push_message(request, _request_timeout=0.2)
    assert [entry["shown"] for entry in simulation.ledger("push")] == [accepted]


def test_faults_stay_until_cleared_and_must_make_sense(simulation: Simulation) -> None:
    simulation.fault("line", "500", times=None)
    for _ in range(3):
        with pytest.raises(ApiException):
            simulation.push(OFFICER, TextMessage(text="ล่ม"))
    simulation.sim.delete("/sim/faults").raise_for_status()
    assert simulation.push(OFFICER, TextMessage(text="ใช้ได้")).status_code == 200
    wrong = simulation.sim.post("/sim/faults", json={"provider": "line", "kind": "undelivered"})
    assert wrong.status_code == 422


# Twilio


def test_an_sms_is_created_reported_and_found(simulation: Simulation) -> None:
    created = simulation.sms("เหตุใหม่ 12", validity_period=60)
    assert (created.status, created.direction, created.num_segments) == ("queued", "outbound-api", "1")
    until(lambda: simulation.edge.statuses(created.sid) == ["queued", "sent", "delivered"])
    found = simulation.twilio.messages(created.sid).fetch()
    assert (found.status, found.body, found.error_code) == ("delivered", "เหตุใหม่ 12", None)
    (entry,) = simulation.ledger("sms")
    assert (entry["to"], entry["shown"], entry["detail"]["validity_period_s"]) == (PHONE, True, 60)


def test_the_list_is_filtered_and_paged(simulation: Simulation) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    sids = [simulation.sms(f"ข้อความ {number}").sid for number in range(5)]
    simulation.sms(to="+66899999999")
    found = simulation.twilio.messages.list(to=PHONE, from_=SENDER, date_sent_after=before, page_size=2)
    assert [message.sid for message in found] == sids[::-1]
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert simulation.twilio.messages.list(to=PHONE, date_sent_after=later) == []


@pytest.mark.parametrize("code", [21211, 21610, 21614, 21408])
def test_twilio_refuses_with_its_code(simulation: Simulation, code: int) -> None:
    simulation.fault("twilio", "error_code", code=code)
    with pytest.raises(TwilioRestException) as refused:
        simulation.sms()
    assert (refused.value.status, refused.value.code) == (400, code)
    assert not simulation.ledger("sms")[0]["shown"]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": "0812345678", "from_": SENDER, "body": "ก"}, 21211),
        ({"to": PHONE, "body": "ก"}, 21603),
        ({"to": PHONE, "from_": SENDER}, 21602),
        ({"to": PHONE, "from_": SENDER, "body": "ก" * 1601}, 21617),
        ({"to": PHONE, "from_": SENDER, "body": "ก", "validity_period": 36001}, 21624),
        ({"to": PHONE, "from_": SENDER, "body": "ก", "status_callback": "somewhere"}, 21609),
    ],
)
def test_a_wrong_form_is_refused(simulation: Simulation, form: dict[str, Any], code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        simulation.twilio.messages.create(**form)
    assert refused.value.code == code


@pytest.mark.parametrize(("kind", "status", "code"), [("429_rate", 429, 20429), ("500", 500, 20500)])
def test_twilio_is_busy_or_broken(simulation: Simulation, kind: str, status: int, code: int) -> None:
    simulation.fault("twilio", kind)
    with pytest.raises(TwilioRestException) as failed:
        simulation.sms()
    assert (failed.value.status, failed.value.code) == (status, code)
    simulation.sms()


def test_a_wrong_login_is_refused(simulation: Simulation) -> None:
    client = Client(SID, "other", http_client=ToSimulator(simulation.url))
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=PHONE, from_=SENDER, body="ก")
    client.http_client.session.close()
    assert (refused.value.status, refused.value.code) == (401, 20003)


@pytest.mark.parametrize(
    ("code", "statuses"),
    [(30003, ["queued", "sent", "undelivered"]), (30036, ["queued", "failed"])],
)
def test_a_message_that_does_not_arrive_says_why(simulation: Simulation, code: int, statuses: list[str]) -> None:
    simulation.fault("twilio", "undelivered", to=PHONE, code=code)
    sid = simulation.sms().sid
    until(lambda: simulation.edge.statuses(sid) == statuses)
    assert simulation.edge.forms[-1][1]["ErrorCode"] == str(code)
    assert simulation.twilio.messages(sid).fetch().error_code == code
    assert not simulation.ledger("sms")[0]["shown"]


def test_a_late_callback_changes_nothing_at_twilio(simulation: Simulation) -> None:
    sid = simulation.sms().sid
    until(lambda: simulation.edge.statuses(sid)[-1:] == ["delivered"])
    simulation.say(f"sms/messages/{sid}/status", {"status": "sent"})
    assert simulation.edge.statuses(sid)[-1] == "sent"
    assert simulation.twilio.messages(sid).fetch().status == "delivered"


def test_a_dropped_sms_can_be_looked_up(simulation: Simulation) -> None:
    simulation.fault("twilio", "drop_after_accept")
    with pytest.raises(RequestException):
        simulation.sms("เหตุ 34")
    (found,) = simulation.twilio.messages.list(to=PHONE)
    assert found.body == "เหตุ 34"


def test_an_answer_by_sms_arrives_signed(simulation: Simulation) -> None:
    simulation.sms("เหตุ 12")
    simulation.edge.twiml = "<Response><Message>บันทึกแล้ว</Message></Response>"
    assert simulation.say(f"sms/{PHONE}/text", {"text": "12 รับ"})["status"] == 200
    (form,) = [form for what, form in simulation.edge.forms if what == "sms"]
    assert (form["From"], form["To"], form["Body"], form["NumSegments"]) == (PHONE, SENDER, "12 รับ", "1")
    entry = simulation.sim.get("/sim/ledger/wait", params={"to": PHONE, "contains": "บันทึกแล้ว"})
    assert entry.status_code == 200


def test_stop_is_an_opt_out_until_start(simulation: Simulation) -> None:
    simulation.say(f"sms/{PHONE}/text", {"text": "Stop"})
    with pytest.raises(TwilioRestException) as refused:
        simulation.sms()
    assert refused.value.code == 21610
    simulation.say(f"sms/{PHONE}/text", {"text": "START"})
    assert simulation.sms().sid.startswith("SM")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("^" * 80, 1),
        ("^" * 81, 2),
        ("ก" * 70, 1),
        ("ก" * 71, 2),
        ("ก" * 135, 3),
    ],
)
def test_segments_are_counted_as_the_network_does(body: str, expected: int) -> None:
    assert segments(body) == expected


# Ledger, page, start


GATHER = '<Response><Gather numDigits="1" timeout="5"><Say>press</Say></Gather><Say>nothing</Say></Response>'


def ring(simulation: Simulation, **more: Any) -> Any:
    simulation.edge.twiml = GATHER
    hooks = f"{PUBLIC_URL}/webhooks/twilio"
    amd = {"machine_detection": "Enable", "async_amd": "true", "async_amd_status_callback": f"{hooks}/status"}
    return simulation.twilio.calls.create(
        to=PHONE, from_=SENDER, url=f"{hooks}/voice", status_callback=f"{hooks}/status", **amd, **more
    )


def call_statuses(simulation: Simulation, sid: str) -> list[str]:
    told = [form for what, form in simulation.edge.forms if what == "status" and form.get("CallSid") == sid]
    return [form.get("CallStatus") or form["AnsweredBy"] for form in told]


def test_a_call_rings_says_what_it_is_told_and_takes_digits(simulation: Simulation) -> None:
    call = ring(simulation, status_callback_event=["initiated", "completed"])
    assert call.sid.startswith("CA")
    until(lambda: simulation.twilio.calls(call.sid).fetch().status == "ringing")
    simulation.say(f"voice/{PHONE}/press", {"digits": "1"})
    until(lambda: [form for what, form in simulation.edge.forms if what == "voice" and form.get("Digits") == "1"])
    until(lambda: len(simulation.ledger("spoken")) == 2)
    simulation.say(f"voice/{PHONE}/hang-up")
    until(lambda: sorted(call_statuses(simulation, call.sid)) == ["completed", "human", "initiated"])
    assert [found.sid for found in simulation.twilio.calls.list(to=PHONE)] == [call.sid]
    assert simulation.twilio.calls(call.sid).fetch().answered_by == "human"


@pytest.mark.parametrize("keys", [["15#"], ["1", "5", "#"]])
def test_digits_are_gathered_until_the_key_that_finishes_them(simulation: Simulation, keys: list[str]) -> None:
    ring(simulation)
    simulation.edge.twiml = GATHER.replace('numDigits="1"', 'numDigits="3" finishOnKey="#"')
    until(lambda: simulation.twilio.calls.list(to=PHONE, status="ringing"))
    for key in keys:
        simulation.say(f"voice/{PHONE}/press", {"digits": key})
    until(lambda: [form for what, form in simulation.edge.forms if what == "voice" and form.get("Digits") == "15"])
    simulation.say(f"voice/{PHONE}/hang-up")


@pytest.mark.parametrize(
    ("habit", "statuses", "spoken"),
    [
        ("busy", {"busy"}, []),
        ("no_answer", {"no-answer"}, []),
        ("machine", {"machine_start", "completed"}, ["press", "nothing"]),
        ("silent", {"human", "completed"}, ["press", "nothing"]),
    ],
)
def test_a_phone_does_by_itself_what_it_is_told(
    simulation: Simulation, habit: str, statuses: set[str], spoken: list[str]
) -> None:
    simulation.say(f"voice/{PHONE}/habit", {"habit": habit})
    call = ring(simulation)
    until(lambda: set(call_statuses(simulation, call.sid)) == statuses)
    assert [entry["text"] for entry in simulation.ledger("spoken")] == spoken
    simulation.say(f"voice/{PHONE}/pick-up", status=409)


SECOND = "+66899999999"
DIAL = (
    f'<Response><Dial callerId="{SENDER}" action="ended" timeout="20" timeLimit="{{limit}}">'
    '<Number url="leg" machineDetection="Enable" amdStatusCallback="told" statusCallback="told">'
    f"{SECOND}</Number></Dial></Response>"
)


def dial(simulation: Simulation, leg: str = "<Response/>", limit: int = 60) -> None:
    """The first phone picks up, and is to be connected with a second."""
    simulation.edge.documents |= {"leg": leg, "ended": "<Response><Say>it is over</Say></Response>"}
    simulation.edge.documents["voice"] = DIAL.format(limit=limit)
    ring(simulation)
    simulation.say(f"voice/{PHONE}/pick-up")
    until(lambda: [entry for entry in simulation.ledger("call") if entry["person"] == SECOND])


def ended(simulation: Simulation) -> dict[str, str]:
    """How the second phone's part went, once the first has heard that it is over."""
    until(lambda: [form for what, form in simulation.edge.forms if what == "ended"])
    return next(form for what, form in simulation.edge.forms if what == "ended")


def told(simulation: Simulation) -> list[str]:
    """What was told of the second phone."""
    return [form.get("AnsweredBy") or form["CallStatus"] for what, form in simulation.edge.forms if what == "told"]


def connected(simulation: Simulation) -> list[str]:
    return sorted(entry["person"] for entry in simulation.ledger("connected"))


def test_a_dial_rings_a_second_phone_that_sees_the_caller_id_and_connects_both(simulation: Simulation) -> None:
    dial(simulation)
    assert [entry["detail"]["from"] for entry in simulation.ledger("call")] == [SENDER, SENDER]
    state = simulation.sim.get("/sim/phones").json()
    assert f"สายเข้าจาก {SENDER}" in state["phones"][SECOND]
    assert PHONE not in state["phones"][SECOND]
    simulation.say(f"voice/{SECOND}/pick-up")
    until(lambda: connected(simulation) == sorted([PHONE, SECOND]))
    simulation.say(f"voice/{SECOND}/hang-up")
    form = ended(simulation)
    assert (form["DialCallStatus"], form["DialBridged"], form["To"]) == ("completed", "true", PHONE)
    until(lambda: told(simulation) == ["human", "completed"])
    until(lambda: [entry["text"] for entry in simulation.ledger("spoken")] == ["it is over"])
    (found,) = simulation.twilio.calls.list(to=SECOND)
    assert (found.direction, found.status, found.parent_call_sid) == ("outbound-dial", "completed", form["CallSid"])


@pytest.mark.parametrize(("habit", "status"), [("busy", "busy"), ("no_answer", "no-answer")])
def test_a_second_phone_that_nobody_picks_up_ends_the_dial(simulation: Simulation, habit: str, status: str) -> None:
    simulation.say(f"voice/{SECOND}/habit", {"habit": habit})
    dial(simulation)
    form = ended(simulation)
    assert (form["DialCallStatus"], form["DialBridged"]) == (status, "false")
    until(lambda: told(simulation) == [status])
    assert connected(simulation) == []


def test_a_second_phone_that_does_not_take_the_call_is_busy(simulation: Simulation) -> None:
    dial(simulation)
    simulation.say(f"voice/{SECOND}/hang-up")
    assert ended(simulation)["DialCallStatus"] == "busy"


@pytest.mark.parametrize(("habit", "who"), [("machine", "machine_start"), ("silent", "unknown")])
def test_a_document_for_the_second_phone_hangs_up_before_anything_is_connected(
    simulation: Simulation, habit: str, who: str
) -> None:
    simulation.say(f"voice/{SECOND}/habit", {"habit": habit})
    dial(simulation, leg="<Response><Hangup/></Response>")
    form = ended(simulation)
    assert (form["DialCallStatus"], form["DialBridged"]) == ("completed", "false")
    until(lambda: set(told(simulation)) == {who, "completed"})
    assert connected(simulation) == []


def test_a_caller_who_hangs_up_takes_the_second_phone_along(simulation: Simulation) -> None:
    dial(simulation)
    simulation.say(f"voice/{PHONE}/hang-up")
    assert ended(simulation)["DialCallStatus"] == "canceled"
    until(lambda: told(simulation) == ["canceled"])
    simulation.say(f"voice/{SECOND}/pick-up", status=409)
    assert simulation.ledger("spoken") == []


def test_a_talk_ends_with_its_time(simulation: Simulation) -> None:
    dial(simulation, limit=1)
    simulation.say(f"voice/{SECOND}/pick-up")
    assert ended(simulation)["DialBridged"] == "true"
    simulation.say(f"voice/{SECOND}/hang-up", status=409)


@pytest.mark.parametrize(("to", "code"), [("0812345678", 21211), ("+12", 21211)])
def test_a_number_that_is_none_is_not_called(simulation: Simulation, to: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        simulation.twilio.calls.create(to=to, from_=SENDER, url=f"{PUBLIC_URL}/webhooks/twilio/voice")
    assert refused.value.code == code


def test_waiting_ends_with_the_message_or_with_408(simulation: Simulation) -> None:
    sender = threading.Thread(target=simulation.push, args=(OFFICER, TextMessage(text="ตามมาทีหลัง")))
    with httpx.Client(base_url=simulation.url, trust_env=False) as waiting:
        sender.start()
        came = waiting.get("/sim/ledger/wait", params={"to": OFFICER, "contains": "ทีหลัง", "timeout_s": 5})
    sender.join()
    assert came.json()["text"] == "ตามมาทีหลัง"
    query = {"to": OFFICER, "since": came.json()["seq"], "timeout_s": 0.05}
    missed = simulation.sim.get("/sim/ledger/wait", params=query)
    assert missed.status_code == 408
    assert missed.json()["newest_seen"] == ["ตามมาทีหลัง"]


def test_the_ledger_takes_entries_from_many_threads() -> None:
    ledger = Ledger()

    def write() -> None:
        for _ in range(200):
            ledger.record(Provider.LINE, Kind.PUSH, OFFICER)

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.seq for entry in ledger.since()] == list(range(1, 1001))
    ledger.reset()
    assert ledger.record(Provider.LINE, Kind.PUSH, OFFICER).seq == 1001


def test_the_page_shows_a_phone_for_everybody(simulation: Simulation) -> None:
    simulation.say("people", {"id": OFFICER, "name": "สภ.ตัวอย่าง <1>"})
    simulation.push(OFFICER, TextMessage(text="<script>"), alert())
    simulation.sms("ลิงก์ https://dispatch.example/a/1")
    page = simulation.sim.get("/")
    assert page.status_code == 200
    assert "โทรศัพท์จำลอง" in page.text
    state = simulation.sim.get("/sim/phones").json()
    assert state["order"][0] == CITIZEN
    assert set(state["order"]) == {CITIZEN, OFFICER, PHONE}
    assert "แจ้งเหตุด่วน" in state["phones"][CITIZEN]
    assert "&lt;script&gt;" in state["phones"][OFFICER]
    assert "สภ.ตัวอย่าง &lt;1&gt;" in state["phones"][OFFICER]
    assert 'data-tap="รับเหตุ"' in state["phones"][OFFICER]
    assert 'href="https://dispatch.example/a/1"' in state["phones"][PHONE]
    again = simulation.sim.get("/sim/phones", params={"since": 10**6, "epoch": state["epoch"]}).json()
    assert again["phones"] == {}
    for asset in ("page.css", "page.js"):
        assert simulation.sim.get(f"/assets/{asset}").status_code == 200


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(SimulatorMisconfigured, match="ESS_TWILIO_AUTH_TOKEN"):
        settings_from({"ESS_LINE_CHANNEL_SECRET": "x", "ESS_LINE_CHANNEL_ACCESS_TOKEN": "x"})
    environment = {
        "ESS_LINE_CHANNEL_SECRET": "a",
        "ESS_LINE_CHANNEL_ACCESS_TOKEN": "b",
        "ESS_TWILIO_ACCOUNT_SID": "c",
        "ESS_TWILIO_AUTH_TOKEN": "d",
        "ESS_HOST": "0.0.0.0",
        "ESS_PORT": "8123",
    }
    assert settings_from(environment).public_url == "http://127.0.0.1:8123"


def test_event_ids_sort_by_time() -> None:
    now = datetime.now(UTC)
    earlier, later = ulid(now), ulid(now + timedelta(milliseconds=1))
    assert len(earlier) == 26
    assert earlier < later
