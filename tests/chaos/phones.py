"""What callers do when nobody takes their call: intake services and providers try again until somebody does.

LINE and Twilio come again with the same event; an intake service comes again with the same Idempotency-Key.
What was answered with 2xx is written down: that is what must never be lost.
"""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from stack import Deployment
from twilio.request_validator import RequestValidator

#: From one try to the next.
_AGAIN_AFTER_S = 0.7
#: Of all phones: more than come while one of them waits for its answer.
_NEWEST_INBOUND = 500


@dataclass(frozen=True)
class PromisedReport:
    """A report that was answered with 202."""

    key: str
    report_id: str
    incident_id: str


@dataclass(frozen=True)
class PublishedReport:
    """A report that Redis took: it has no row before a worker has had it."""

    key: str
    #: When it was last published (UTC).
    at: datetime


@dataclass
class Promises:
    """What the engine said yes to; any thread may add."""

    reports: list[PromisedReport] = field(default_factory=list)
    tasks: list[PublishedReport] = field(default_factory=list)
    #: LINE user ids of citizens whose type and pin were both taken.
    citizens: list[str] = field(default_factory=list)
    #: Alerts that were accepted by API.
    accepted_alerts: list[str] = field(default_factory=list)
    #: Ids of inbound rows that a repeated webhook was taken for.
    events: list[str] = field(default_factory=list)
    n_tried_again: int = 0


class GivenUp(Exception):
    """The run is over and nobody has taken the call."""


class Phones:
    """Everybody's phone and every intake service's client."""

    def __init__(self, deployment: Deployment) -> None:
        self.promises = Promises()
        #: Set when nobody tries any more.
        self.over = threading.Event()
        self._deployment = deployment
        environment = deployment.stack.environment
        self._validator = RequestValidator(environment["ESS_TWILIO_AUTH_TOKEN"])
        self._account = environment["ESS_TWILIO_ACCOUNT_SID"]
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> httpx.Response:
        """The engine's answer, as soon as it has one that is not its own failure."""
        while True:
            try:
                answer = self._deployment.http.post(path, json=body, headers=dict(headers))
            except httpx.TransportError:
                pass
            else:
                assert answer.status_code < 500 or answer.status_code == 503, f"{path}: {answer.status_code}"
                if answer.status_code != 503:
                    return answer
            self._pause()

    def publish(self, report: Mapping[str, Any]) -> datetime:
        """Redis has taken the report, as soon as it took anything; when it was tried (UTC)."""
        while True:
            at = datetime.now(UTC)
            try:
                with Celery(broker=self._deployment.services.broker_url, set_as_current=False) as intake:
                    intake.send_task("ess.accept_report", kwargs={"report": report}, queue="intake", retry=False)
            except (OperationalError, RedisError, OSError):
                self._pause()
            else:
                return at

    def line(self, user_id: str, act: str, body: Mapping[str, Any], delivery: str = "once") -> None:
        """The person has done this in LINE, and the engine has taken it."""
        with self._busy[user_id]:  # LINE's double repeats a person's newest event only
            answer = self._deployment.sim.post(f"/sim/line/{user_id}/{act}", json=body, params={"delivery": delivery})
            while not _taken(answer):
                self._pause()
                answer = self._deployment.sim.post(f"/sim/line/{user_id}/redeliver")

    def presses(self, user_id: str, data: str, delivery: str = "once") -> None:
        """The person has tapped a button that carries this data."""
        self.line(user_id, "postback", {"data": data}, delivery)

    def takes_call(self, phone: str, digit: str) -> None:
        """They pick up, press the digit and hang up; where it has stopped ringing they do nothing."""
        for deed, body in (("press", {"digits": digit}), ("hang-up", {})):
            answer = self._deployment.sim.post(f"/sim/voice/{phone}/{deed}", json=body)
            assert answer.status_code in {200, 409}, answer.text

    def texts(self, phone: str, words: str) -> None:
        """The person has sent this SMS, and the engine has taken it."""
        with self._busy[phone]:
            if _taken(self._deployment.sim.post(f"/sim/sms/{phone}/text", json={"text": words})):
                return
            newest = {"kind": "inbound", "last": _NEWEST_INBOUND}
            ledger = self._deployment.sim.get("/sim/ledger", params=newest).json()
        sent = [entry["sid"] for entry in ledger if (entry["person"], entry["text"]) == (phone, words)]
        sid = sent[-1]
        while not self._texts_again(sid, phone, words):
            self._pause()
        self.promises.events.append(f"sms:{sid}")

    def _texts_again(self, sid: str, phone: str, words: str) -> bool:
        form = {"MessageSid": sid, "SmsSid": sid, "AccountSid": self._account, "From": phone, "Body": words}
        url = f"{self._deployment.stack.url}/webhooks/twilio/sms"
        signature = self._validator.compute_signature(url, form)
        try:
            answer = self._deployment.http.post(url, data=form, headers={"x-twilio-signature": signature})
        except httpx.TransportError:
            return False
        assert answer.status_code in {200, 503}, answer.text
        return answer.status_code == 200

    def _pause(self) -> None:
        self.promises.n_tried_again += 1
        if self.over.wait(_AGAIN_AFTER_S):
            raise GivenUp


def _taken(answer: httpx.Response) -> bool:
    assert answer.status_code in {200, 502}, answer.text
    return bool(answer.json()["status"] == 200)
