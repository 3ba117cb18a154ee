"""The words in which stories are told: people who report, hear, tap and text, and the incident that they share.

Everything is waited for, nothing is slept for.  Each message is heard once; what nobody in the story expected
fails it, and so does a webhook that was not taken.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
from celery import Celery
from sqlalchemy import text
from sqlmodel import col, select
from stack import SOON_S, Deployment, wait_for

from ess import roll_call
from ess.conversation.answer import sign_button
from ess.domain.duty import Channel, Role
from ess.domain.incident import ENDED
from ess.simulator import taps
from ess.simulator.ledger import OUTBOUND
from ess.store import enrolment, tables
from ess.store.keys import KeyRole

_OUTBOUND = {str(kind) for kind in OUTBOUND}
_numbers = count(1)


@dataclass(frozen=True)
class Spot:
    """A pin with the codes of the province and district that hold it; WGS 84, DOPA."""

    latitude: float
    longitude: float
    province: str
    district: str

    @property
    def pin(self) -> dict[str, float]:
        return {"latitude": self.latitude, "longitude": self.longitude}

    def metres_north(self, metres: float) -> "Spot":
        """A spot nearby, of the same district for all that this story knows."""
        return replace(self, latitude=self.latitude + metres / 111_195)


PHITSANULOK = Spot(16.8211, 100.2659, "65", "6501")
CHIANG_MAI = Spot(18.7883, 98.9853, "50", "5001")
KHON_KAEN = Spot(16.4419, 102.8360, "40", "4001")
NAKHON_RATCHASIMA = Spot(14.9799, 102.0977, "30", "3001")
UDON_THANI = Spot(17.4138, 102.7870, "41", "4101")
SURAT_THANI = Spot(9.1382, 99.3217, "84", "8401")
HAT_YAI = Spot(7.0084, 100.4747, "90", "9011")
CHIANG_RAI = Spot(19.9105, 99.8406, "57", "5701")
UBON_RATCHATHANI = Spot(15.2287, 104.8594, "34", "3401")
NAKHON_SAWAN = Spot(15.7047, 100.1372, "60", "6001")

#: Across the Mekong, near Vientiane: no province of Thailand holds it.
ABROAD = Spot(17.98, 102.63, "", "")

#: What citizens tap in LINE for each type.
TYPE_LABELS = {
    "assault": "ถูกทำร้าย/ข่มขู่",
    "confinement": "ถูกกักขัง",
    "sexual_abuse_risk": "เสี่ยงถูกล่วงละเมิด",
    "running_amok": "คนคลุ้มคลั่ง",
    "gathering": "มั่วสุมก่อเหตุ",
}


class Person:
    """Somebody with a phone that can ring in LINE, by SMS, or both."""

    def __init__(self, story: "Story", name: str, *, line: bool, phone: bool) -> None:
        number = next(_numbers)  # no Thai number begins with 1 and has nine digits
        self.story = story
        self.name = name
        self.line_id = f"U{number:032x}" if line else None
        self.phone = f"+6610{number:07d}" if phone else None
        self.tolerated: list[str] = []
        for address in filter(None, (self.line_id, self.phone)):
            story.people[address] = self

    def _address(self, by: Channel | None) -> str:
        by_phone = dict.fromkeys((Channel.SMS, Channel.VOICE), self.phone)
        address = {Channel.LINE: self.line_id, None: self.line_id or self.phone, **by_phone}[by]
        assert address is not None, f"{self.name} has no {by}"
        return address

    def hears(self, words: str, *, by: Channel | None = None, within_s: float = SOON_S) -> dict[str, Any]:
        """A message with these words that was not heard before; over LINE unless said or without LINE."""
        query = {"to": self._address(by), "contains": words, "timeout_s": within_s}
        return self._notices(query, f"{self.name} never heard {words!r}")

    def rings(self) -> "Phone":
        """A call that did not ring before; the phone in their hand."""
        query = {"to": self._address(Channel.VOICE), "kind": "call", "timeout_s": SOON_S}
        self._notices(query, f"{self.name}'s phone never rang")
        return Phone(self)

    def _notices(self, query: dict[str, Any], never: str) -> dict[str, Any]:
        """The first such entry of the ledger that somebody could see and that was not heard before."""
        since = self.story.began_at_seq
        while True:
            answer = self.story.deployment.sim.get("/sim/ledger/wait", params=query | {"since": since})
            assert answer.status_code == 200, f"{never}: {answer.text}"
            entry: dict[str, Any] = answer.json()
            if entry["shown"] and entry["seq"] not in self.story.heard:
                self.story.heard.add(entry["seq"])
                return entry
            since = entry["seq"]

    def lets_it(self, habit: str) -> None:
        """What their phone does by itself when it rings: be busy, go to voicemail, and so on."""
        path = f"/sim/voice/{self._address(Channel.VOICE)}/habit"
        answer = self.story.deployment.sim.post(path, json={"habit": habit})
        assert answer.status_code == 200, answer.text

    def opens_link(self, sms: dict[str, Any]) -> "Page":
        """The page behind the link in an SMS."""
        found = re.search(r"https?://\S+", sms["text"])
        assert found, f"no link in {sms['text']!r}"
        return Page(self, found[0])

    def may_hear(self, words: str) -> None:
        """Messages with these words are expected any number of times, also never."""
        self.tolerated.append(words)

    def messages(self) -> list[str]:
        """Everything on the phone by now, oldest first."""
        mine = {self.line_id, self.phone}
        return [entry["text"] for entry in self.story.shown() if entry["person"] in mine]

    def _does(self, path: str, body: dict[str, Any]) -> None:
        held = self.story.holds_webhooks
        answer = self.story.deployment.sim.post(path, json=body, params={"delivery": "held"} if held else None)
        assert answer.status_code == (202 if held else 200), f"{self.name} at {path}: {answer.text}"
        taken = answer.json()
        assert held or taken["status"] == 200, f"the edge answered {taken} to {self.name}"

    def taps(self, label: str) -> None:
        """The newest button or quick reply with this label."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/tap", {"label": label})

    def presses(self, data: str) -> None:
        """A button that carries this data, in the menu or on a card from elsewhere."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/postback", {"data": data})

    def buttons(self) -> list[str]:
        """What the buttons carry on all cards that they have seen in LINE."""
        seen = [entry for entry in self.story.shown() if entry["person"] == self._address(Channel.LINE)]
        cards = [message for entry in seen for message in entry["messages"]]
        return [button.action.get("data", "") for message in cards for button in taps.buttons(message)]

    def presses_again(self, data: str) -> None:
        """A button that carried this data on a card that was sent to them, however old."""
        self.presses(sign_button(data, self._address(Channel.LINE), self.story.deployment.store.vault.index))

    def writes(self, words: str) -> None:
        """In the LINE chat."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/text", {"text": words})

    def sends_a_photo(self) -> None:
        """In the LINE chat."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/image", {})

    def sends_a_voice_note(self) -> None:
        """In the LINE chat."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/audio", {})

    def blocks(self) -> None:
        """The account: from now on LINE takes every message to this phone and shows none."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/block", {})

    def shares(self, spot: Spot) -> None:
        """A pin in the LINE chat."""
        self._does(f"/sim/line/{self._address(Channel.LINE)}/location", spot.pin)

    def texts(self, words: str) -> None:
        """By SMS; `{n}` is the code in the newest alert on this phone."""
        phone = self._address(Channel.SMS)
        if "{n}" in words:
            words = words.replace("{n}", self.code())
        self._does(f"/sim/sms/{phone}/text", {"text": words})

    def code(self) -> str:
        """The code of the newest alert that came by SMS."""
        phone = self._address(Channel.SMS)
        found = [
            match[1]
            for entry in self.story.shown()
            if entry["person"] == phone and (match := re.search(r"ตอบ (\d{2,3}) 1", entry["text"]))
        ]
        assert found, f"{self.name} has no alert to answer by SMS"
        return found[-1]


class Phone:
    """A phone that rings, in the hand of its owner."""

    def __init__(self, owner: Person) -> None:
        self.owner = owner
        self._path = f"/sim/voice/{owner.phone}"

    def _does(self, deed: str, body: dict[str, Any] | None = None) -> None:
        answer = self.owner.story.deployment.sim.post(f"{self._path}/{deed}", json=body or {})
        assert answer.status_code == 200, f"{self.owner.name}: {answer.text}"

    def is_picked_up(self) -> dict[str, Any]:
        """What is said then."""
        self._does("pick-up")
        return self.owner.hears("", by=Channel.VOICE)

    @property
    def sees(self) -> str:
        """The number that the screen shows."""
        calls = [entry for entry in self.owner.story.ledger() if entry["kind"] == "call" and entry["shown"]]
        return str([call["detail"]["from"] for call in calls if call["person"] == self.owner.phone][-1])

    def is_answered(self) -> None:
        """Where nothing is said."""
        self._does("pick-up")

    def is_connected(self) -> None:
        """They can talk with whoever is at the other end."""
        story, phone = self.owner.story, self.owner.phone
        wait_for(
            lambda: any(each["kind"] == "connected" and each["person"] == phone for each in story.ledger()),
            f"{self.owner.name} is connected",
        )

    def presses(self, digit: str) -> None:
        """Whoever has not picked up does so first; what was said before the digit is heard."""
        self._does("press", {"digits": digit})

    def hangs_up(self) -> None:
        """Or does not take the call."""
        self._does("hang-up")


class Page:
    """The page behind a link in an SMS, in a browser without JavaScript."""

    def __init__(self, owner: Person, url: str) -> None:
        self.owner = owner
        self.url = url
        self.http = owner.story.deployment.http

    def get(self) -> httpx.Response:
        """As it stands now."""
        return self.http.get(self.url)

    def shows(self, words: str) -> str:
        """The page has these words now."""
        text = self.get().text
        assert words in text, text
        return text

    def presses(self, label: str) -> None:
        """The button with this label."""
        answer = self.sends(self.form(label))
        assert answer.status_code == 303, answer.text

    def form(self, label: str) -> dict[str, str]:
        """What the button with this label sends."""
        text = self.get().text
        forms: list[str] = re.findall(r"<form.*?</form>", text, re.DOTALL)
        form = next((form for form in forms if label in form), None)
        assert form, f"no button {label!r} on {text}"
        return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))

    def sends(self, form: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
        """A form, perhaps of a page that was opened long before."""
        return self.http.post(self.url, data=form, headers=headers)


class Citizen(Person):
    """Somebody who reports."""

    def reports(self, incident_type: str, at: Spot) -> "Incident":
        """The three steps in LINE, as the public was promised them: the type, the pin; the phone is not waited for."""
        self.presses("action=report")
        self.hears("เกิดเหตุอะไรขึ้น")
        self.taps(TYPE_LABELS[incident_type])
        self.hears("แชร์พิกัดตำแหน่ง")
        self.shares(at)
        return self.story.new_incident()

    def reports_by_api(
        self, incident_type: str, at: Spot | None = None, *, contact: str = "none", **more: Any
    ) -> "Incident":
        """Through an intake service that calls the API."""
        answer = self.story.post_report(self.report(incident_type, at, contact=contact, **more))
        assert answer.status_code == 202, answer.text
        return Incident(self.story, answer.json()["incident_id"])

    def witnesses(
        self, incident: "Incident", incident_type: str, at: Spot, *, contact: str = "none", **more: Any
    ) -> str:
        """Reports through an intake service what is known already; the id of the report."""
        answer = self.story.post_report(self.report(incident_type, at, contact=contact, **more))
        assert answer.status_code == 202, answer.text
        told: dict[str, str] = answer.json()
        assert (told["incident_id"], told["code"]) == (incident.id, incident.code)
        return told["report_id"]

    def reports_by_task(self, incident_type: str, at: Spot | None = None) -> "Incident":
        """Through an intake service that has access to the broker."""
        report = self.report(incident_type, at) | {"idempotency_key": str(uuid4())}
        with Celery(broker=self.story.deployment.services.broker_url, set_as_current=False) as intake:
            intake.send_task("ess.accept_report", kwargs={"report": report}, queue="intake")
        return self.story.new_incident()

    def report(
        self, incident_type: str, at: Spot | None = None, *, contact: str = "none", **more: Any
    ) -> dict[str, Any]:
        """The body of a report, with a reporter who can be reached as they wish."""
        reporter = {"phone": self.phone, "name": self.name, "contact": contact}
        body: dict[str, Any] = {"type": incident_type, "reporter": reporter, **more}
        return body | ({"location": at.pin} if at else {})


class Responder(Person):
    """Somebody whom the engine can alert, with a row in the roster."""

    def __init__(
        self,
        story: "Story",
        role: Role,
        at: Spot | None,
        channels: tuple[Channel, ...],
        *,
        district: str | None = None,
        mistyped_line_id: bool = False,
        **columns: Any,
    ) -> None:
        name = f"{role} {next(_numbers)}"
        has_phone = bool({Channel.SMS, Channel.VOICE} & {*channels})
        super().__init__(story, name, line=Channel.LINE in channels, phone=has_phone)
        self.ref = name.replace(" ", "-")
        self.spoken_name = f"หน่วยทดสอบ {self.ref}"
        vault = story.deployment.store.vault
        line_id = "U-mistyped" if mistyped_line_id else self.line_id
        row = tables.Responder(
            ref=self.ref,
            name_th=self.spoken_name,
            name_en=f"Test unit {self.ref}",
            agency="test",
            role=role,
            province_code=at.province if at else None,
            district_code=district or (at.district if at and role is Role.POLICE_STATION else None),
            phone=self.phone,
            phone_index=vault.index(self.phone) if self.phone else None,
            line_user_id=line_id,
            line_index=vault.index(line_id) if line_id else None,
            channels=list(channels),
            **columns,
        )
        self.row_id = row.id
        with story.deployment.store.transaction() as tx:
            tx.session.add(row)
            tx.session.flush()
            tx.session.add_all(enrolment.at_seat(row))


LINE_ONLY = (Channel.LINE,)
SMS_ONLY = (Channel.SMS,)
BOTH = (Channel.LINE, Channel.SMS)
VOICE_ONLY = (Channel.VOICE,)
ALL_THREE = (Channel.LINE, Channel.SMS, Channel.VOICE)


class Incident:
    """What the engine makes of a report, as the API tells it."""

    def __init__(self, story: "Story", incident_id: str) -> None:
        self.story = story
        self.id = incident_id
        self.path = f"/v1/incidents/{incident_id}"
        story.incidents.append(self)

    @property
    def now(self) -> dict[str, Any]:
        """All that the API says of it."""
        detail: dict[str, Any] = self.story.deployment.get(self.path)
        return detail

    @property
    def code(self) -> str:
        return str(self.now["code"])

    @property
    def timeline(self) -> list[dict[str, Any]]:
        facts: list[dict[str, Any]] = self.story.deployment.get(f"{self.path}/timeline")
        return facts

    def facts(self, fact: str, **fields: Any) -> list[dict[str, Any]]:
        """Every such line of the timeline so far."""
        return [line for line in self.timeline if line["fact"] == fact and fields.items() <= _comparable(line).items()]

    def told(self, fact: str, *, times: int = 1, within_s: float = SOON_S, **fields: Any) -> dict[str, Any]:
        """The timeline has this fact, the given number of times; the newest of them."""
        enough: Callable[[], list[dict[str, Any]]] = lambda: (  # noqa: E731
            found if len(found := self.facts(fact, **fields)) >= times else []
        )
        return wait_for(enough, f"{fact} {fields} in {[line['fact'] for line in self.timeline]}", within_s)[-1]

    def reaches(self, state: str, *, within_s: float = SOON_S) -> None:
        """Its state becomes this."""
        wait_for(lambda: self.now["state"] == state, f"{state} (it is {self.now['state']})", within_s)

    def alert_of(self, responder: Responder) -> dict[str, Any]:
        """The newest alert to this responder."""
        found = [alert for alert in self.now["alerts"] if alert["responder"]["ref"] == responder.ref]
        assert found, f"{responder.name} was never alerted"
        return found[-1]

    def holder(self, track: str = "police") -> str | None:
        """The number in the roster of whoever has taken the track."""
        person = next(found for found in self.now["tracks"] if found["name"] == track)["holder"]
        return str(person["ref"]) if person else None

    def ask(self, operation: str, **body: Any) -> httpx.Response:
        """A supervisor does this by API."""
        return self.story.post(f"{self.path}/{operation}", body)

    def answer_for(self, responder: Responder, verb: str, **body: Any) -> httpx.Response:
        """An operator answers the responder's alert by API."""
        return self.story.post(f"/v1/alerts/{self.alert_of(responder)['alert_id']}/{verb}", body)


def _comparable(line: dict[str, Any]) -> dict[str, Any]:
    """A line of the timeline with plain values; the responder as their number in the roster."""
    flat = {key: value for key, value in line.items() if isinstance(value, str | int | float | None)}
    if line.get("responder"):
        flat["responder"] = line["responder"]["ref"]
    return flat


def at(line: dict[str, Any], key: str = "at") -> datetime:
    """An instant of a line of the timeline."""
    return datetime.fromisoformat(line[key])


class Story:
    """One country with its people, from an empty roster to an empty roster."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.people: dict[str, Person] = {}
        self.incidents: list[Incident] = []
        self.heard: set[int] = set()
        if self._close_all("another story begins"):  # tests that are no stories leave some
            deployment.settle()
        entries = deployment.sim.get("/sim/ledger").json()
        self.began_at_seq: int = entries[-1]["seq"] if entries else 0
        self._known = {row["incident_id"] for row in self._listed()}
        self._log_sizes = {program.name: program.log_path.stat().st_size for program in deployment.programs}
        #: Set where the story itself breaks something that a program may complain about.
        self.expects_complaints = False
        self.holds_webhooks = False
        #: The web edge is away for a while, and what is said to it is lost.
        self.loses_webhooks = False

    # --- who there is ------------------------------------------------------------------------------------
    def citizen(self, *, line: bool = True, phone: bool = True) -> Citizen:
        return Citizen(self, "a citizen of the test", line=line, phone=phone)

    def station(
        self,
        at: Spot,
        channels: tuple[Channel, ...] = LINE_ONLY,
        *,
        district: str | None = None,
        mistyped_line_id: bool = False,
        **columns: Any,
    ) -> Responder:
        return Responder(
            *(self, Role.POLICE_STATION, at, channels),
            district=district,
            mistyped_line_id=mistyped_line_id,
            **columns,
        )

    def radio_191(self, at: Spot, channels: tuple[Channel, ...] = SMS_ONLY, **columns: Any) -> Responder:
        centre = Responder(self, Role.RADIO_191, at, channels, **columns)
        centre.may_hear("เพื่อทราบ")  # of every incident of the province: `test_informed.py` tells of it
        return centre

    def one_home(self, at: Spot) -> Responder:
        return Responder(self, Role.ONE_HOME, at, LINE_ONLY)

    def social_worker(self, at: Spot, channels: tuple[Channel, ...] = LINE_ONLY, **columns: Any) -> Responder:
        return Responder(self, Role.SOCIAL_WORKER, at, channels, **columns)

    def volunteer(self, at: Spot, channels: tuple[Channel, ...] = LINE_ONLY, **columns: Any) -> Responder:
        position = {"latitude": at.latitude, "longitude": at.longitude}
        return Responder(self, Role.VOLUNTEER, at, channels, district=at.district, **position, **columns)

    def desk(self, channels: tuple[Channel, ...] = LINE_ONLY, **columns: Any) -> Responder:
        return Responder(self, Role.NATIONAL_DESK, None, channels, **columns)

    def supervisor(self, channels: tuple[Channel, ...] = LINE_ONLY) -> Responder:
        return Responder(self, Role.SUPERVISOR, None, channels)

    def care_team(self, at: Spot) -> None:
        """One Home, of whom this story does not speak: without it the desk would be asked for social care."""
        self.one_home(at).may_hear("")

    # --- what programs do --------------------------------------------------------------------------------
    def post(self, path: str, body: dict[str, Any], role: KeyRole = KeyRole.SUPERVISOR) -> httpx.Response:
        return self.deployment.http.post(path, json=body, headers=self.deployment.bearer(role))

    def post_report(self, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        headers = self.deployment.bearer(KeyRole.INTAKE) | {"Idempotency-Key": key or str(uuid4())}
        return self.deployment.http.post("/v1/reports", json=body, headers=headers)

    def breaks(self, provider: str, kind: str, **more: Any) -> None:
        """A fault of LINE or Twilio."""
        answer = self.deployment.sim.post("/sim/faults", json={"provider": provider, "kind": kind, **more})
        assert answer.status_code == 201, answer.text

    @contextmanager
    def webhooks_come_late(self, **how: bool) -> Iterator[None]:
        """What is done in LINE meanwhile is told to us afterwards: `reverse`, newest first; `together`, all in one."""
        self.holds_webhooks = True
        yield
        self.holds_webhooks = False
        answer = self.deployment.sim.post("/sim/line/release", json=how)
        assert all(taken["status"] == 200 for taken in answer.json()), answer.text

    def comes_due(self, kind: str, subject: str | None = None) -> None:
        """What was promised of this kind, in minutes or in days, is due now; of one track or call, or of all."""
        with self.deployment.store.transaction() as tx:
            moved = (
                "UPDATE deadline SET due_at = statement_timestamp(), wake_at = statement_timestamp()"
                " WHERE kind = :kind AND subject = coalesce(:subject, subject)"
            )
            tx.session.execute(text(moved), {"kind": kind, "subject": subject})

    def calls_the_roll(self) -> None:
        """It is the hour of the week at which everybody is asked to answer once."""
        with self.deployment.store.transaction() as tx:
            assert roll_call.begin(tx, tx.now)
        self.comes_due("roll_call")  # nothing is published from here, and the clock would leave it to the task for 5 s
        self.deployment.wait_until_none("SELECT count(*) FROM deadline WHERE kind = 'roll_call' AND due_at < now()")
        self.deployment.settle()

    def closes_the_roll(self) -> None:
        """The hours in which they may answer are over."""
        self.deployment.count(
            "WITH over AS (UPDATE roll_call SET closes_at = now() WHERE reported_at IS NULL RETURNING 1)"
            " SELECT count(*) FROM over"
        )
        self.comes_due("roll_call")

    def new_incident(self) -> Incident:
        """The incident that this story has not met yet."""
        known = self._known | {incident.id for incident in self.incidents}
        fresh: Callable[[], list[str]] = lambda: [  # noqa: E731
            row["incident_id"] for row in self._listed() if row["incident_id"] not in known
        ]
        return Incident(self, wait_for(fresh, "a new incident")[0])

    def _close_all(self, reason: str) -> int:
        """However long ago they began: the desk of the next story must hear of its own incidents alone."""
        with self.deployment.store.transaction() as tx:
            is_open = col(tables.Incident.state).not_in(ENDED), col(tables.Incident.drill).is_(False)
            left = tx.session.exec(select(tables.Incident.id).where(*is_open)).all()
        for incident_id in left:
            self.post(f"/v1/incidents/{incident_id}/close", {"reason": reason})
        return len(left)

    def _listed(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.deployment.get("/v1/incidents")["incidents"]
        return rows

    # --- what was said -----------------------------------------------------------------------------------
    def ledger(self) -> list[dict[str, Any]]:
        """Everything since the story began."""
        entries: list[dict[str, Any]] = self.deployment.sim.get(
            "/sim/ledger", params={"since": self.began_at_seq}
        ).json()
        return entries

    def shown(self) -> list[dict[str, Any]]:
        """Every message that somebody saw."""
        return [entry for entry in self.ledger() if entry["kind"] in _OUTBOUND and entry["shown"]]

    def check_nobody_heard_more(self) -> None:
        """Once all is quiet, nobody has a message that the story did not expect, and every webhook was taken."""
        self.deployment.settle()
        surprises = [
            f"{self._name(entry['person'])} heard {entry['text']!r}"
            for entry in self.shown()
            if entry["seq"] not in self.heard and not self._is_tolerated(entry)
        ]
        assert not surprises, "messages that no one in this story expected:\n" + "\n".join(surprises)
        dropped = [
            entry
            for entry in self.ledger()
            if entry["kind"] in {"webhook", "status_callback"} and entry["status"] not in {200, 204}
        ]
        assert self.loses_webhooks or not dropped, f"webhooks that were not taken: {dropped}"
        assert self.expects_complaints or not self._complaints(), "\n".join(self._complaints())

    def _complaints(self) -> list[str]:
        """Lines of error that the programs logged since the story began."""
        lines = []
        for program in self.deployment.programs:
            with program.log_path.open("rb") as log:
                log.seek(self._log_sizes[program.name])
                lines += log.read().decode(errors="replace").splitlines()
        return [line for line in lines if '"level": "error"' in line or line.startswith("Traceback")]

    def _name(self, address: str) -> str:
        return self.people[address].name if address in self.people else f"a stranger ({address})"

    def _is_tolerated(self, entry: dict[str, Any]) -> bool:
        person = self.people.get(entry["person"])
        return person is not None and any(words in entry["text"] for words in person.tolerated)

    def end(self) -> None:
        """Its incidents are over and its people are nobody's responders any more."""
        self.deployment.mend()
        self._close_all("the story is over")
        with self.deployment.store.transaction() as tx:
            for responder in self.people.values():
                if isinstance(responder, Responder):
                    tx.session.get_one(tables.Responder, responder.row_id).active = False
        self.deployment.settle()


def at_once(*deeds: Callable[[], None]) -> None:
    """All of these begin at the same instant, each in a thread of its own."""
    start = threading.Barrier(len(deeds))
    errors: list[BaseException] = []

    def do(deed: Callable[[], None]) -> None:
        start.wait()
        try:
            deed()
        except AssertionError as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
