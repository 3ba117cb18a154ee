"""The people of a run: citizens who report, and responders who live with their phones."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from chaos.phones import GivenUp, Phones, PromisedReport, PublishedReport
from chaos.schedule import CALM, Answer, Habit, ReportByApi, ReportByLine, ReportByTask, Schedule
from chaos.world import SPOTS, World
from ess.conversation.answer import Pressed, Verb, button_data, read_button, sign_button
from ess.domain.follow_up import Outcome
from ess.simulator import taps
from ess.store.keys import KeyRole

_POLL_S = 0.1
#: Whoever races answers at the next instant that is a multiple of this.
_RACE_EVERY_S = 2.0
_BETWEEN_STEPS_S = 1.0
#: A patient citizen waits so long for the next question, and then goes on without.
_PATIENCE_S = 25.0
#: What is pressed in a call; nobody is called in order to be told more.
_DIGITS = {Verb.ACCEPT: "1", Verb.DECLINE: "2"}
_SMS_VERBS = {Verb.ACCEPT: "1", Verb.DECLINE: "2", Verb.ARRIVE: "4", Verb.RESOLVE: "9"}
_SMS_ALERT = re.compile(r"^ESS .* ตอบ (\d{2,3}) 1 ")


class Citizens:
    """Everybody who reports."""

    def __init__(self, world: World, phones: Phones, seed: int) -> None:
        self._world = world
        self._phones = phones
        self._seed = seed
        self._numbers = count(1)

    def report_by_api(self, deed: ReportByApi, pool: Executor) -> None:
        """The report was answered with 202, twice where it came twice."""
        number = next(self._numbers)
        reporter = {"phone": f"+6611{number:07d}", "contact": deed.contact}
        body: dict[str, Any] = {"type": deed.type, "reporter": reporter, "description": f"report {number}"}
        if deed.spot is not None:
            body["location"] = SPOTS[deed.spot].pin
        key = f"chaos-{self._seed}-{number}"
        again = pool.submit(self._post, key, body) if deed.doubled else None
        self._post(key, body)
        if again:
            again.result()

    def _post(self, key: str, body: dict[str, Any]) -> None:
        headers = self._world.deployment.bearer(KeyRole.INTAKE) | {"Idempotency-Key": key}
        answer = self._phones.post("/v1/reports", body, headers)
        assert answer.status_code == 202, answer.text
        told = answer.json()
        self._phones.promises.reports.append(PromisedReport(key, told["report_id"], told["incident_id"]))

    def report_by_task(self, deed: ReportByTask) -> None:
        """Redis took the report, twice where it came twice."""
        number = next(self._numbers)
        key = f"chaos-{self._seed}-{number}"
        reporter = {"phone": f"+6611{number:07d}", "contact": "any"}
        report = {"type": deed.type, "reporter": reporter, "location": SPOTS[deed.spot].pin, "idempotency_key": key}
        for _ in range(2 if deed.doubled else 1):
            at = self._phones.publish(report)
        self._phones.promises.tasks.append(PublishedReport(key, at))

    def report_by_line(self, deed: ReportByLine) -> None:
        """The type and the pin were taken."""
        user_id = f"U{0xC0000000 + next(self._numbers):032x}"
        self._phones.presses(user_id, f"type={deed.type}", deed.delivery)
        if deed.patient:
            query = {"to": user_id, "contains": "แชร์พิกัดตำแหน่ง", "timeout_s": str(_PATIENCE_S)}
            self._world.deployment.sim.get("/sim/ledger/wait", params=query)
        self._phones.line(user_id, "location", SPOTS[deed.spot].pin, deed.delivery)
        self._phones.promises.citizens.append(user_id)


@dataclass(frozen=True)
class HeardAlert:
    """An alert as it lit up on one phone."""

    address: str
    #: From the card in LINE.
    alert_id: str | None = None
    #: From the SMS.
    code: str | None = None
    #: The phone rings.
    rings: bool = False


class Responders:
    """Everybody in the roster, reading their phones and answering as their habits are."""

    def __init__(self, world: World, phones: Phones, schedule: Schedule) -> None:
        #: Set once everybody answers at once.
        self.calm = threading.Event()
        self._world = world
        self._phones = phones
        self._habits = {
            person.ref: _repeated(mine) for person, mine in zip(world.responders, schedule.habits, strict=True)
        }
        self._people = {
            address: person for person in world.responders for address in (person.line_id, person.phone) if address
        }

    def listen(self, pool: Executor) -> None:
        """Until the run is over, every alert that lights up is answered in a thread of the pool."""
        seen = 0
        busy: dict[HeardAlert, Future[None]] = {}
        while not self._phones.over.wait(_POLL_S):
            for entry in self._world.deployment.sim.get("/sim/ledger", params={"since": seen}).json():
                seen = entry["seq"]
                person = self._people.get(entry["person"])
                if person is None or not entry["shown"] or entry["kind"] not in {"push", "reply", "sms", "call"}:
                    continue
                if follow_up := _follow_up(entry):
                    pool.submit(_until_given_up, self._phones.presses, entry["person"], follow_up)
                elif alert := _alert(entry):
                    if alert in busy and not busy[alert].done():
                        continue  # they are about to answer: that it lights up once more changes nothing
                    habit = CALM if self.calm.is_set() else next(self._habits[person.ref])
                    busy[alert] = pool.submit(_until_given_up, self._answer, alert, habit, pool)

    def _answer(self, alert: HeardAlert, habit: Habit, pool: Executor) -> None:
        if habit.answer is Answer.IGNORE:
            return
        time.sleep(habit.after_s)
        match habit.answer:
            case Answer.ACCEPT:
                self._says(alert, Verb.ACCEPT, habit)
            case Answer.DECLINE:
                self._says(alert, Verb.DECLINE, habit)
                return
            case Answer.TWICE:
                self._says(alert, Verb.ACCEPT, habit)
                self._says(alert, Verb.ACCEPT, habit)
            case Answer.RACE:
                time.sleep(_RACE_EVERY_S - time.monotonic() % _RACE_EVERY_S)
                self._says(alert, Verb.ACCEPT, habit)
            case Answer.GIVE_BACK:
                self._says(alert, Verb.ACCEPT, habit)
                time.sleep(_BETWEEN_STEPS_S)
                self._says(alert, Verb.DECLINE, habit)
                return
            case Answer.BOTH_AT_ONCE:
                pool.submit(_until_given_up, self._by_api, alert, Verb.DECLINE)
                self._says(alert, Verb.ACCEPT, habit)
            case Answer.BY_API:
                self._by_api(alert, Verb.ACCEPT)
        if habit.finishes:
            for verb in (Verb.ARRIVE, Verb.RESOLVE):
                time.sleep(_BETWEEN_STEPS_S)
                self._says(alert, verb, habit)

    def _says(self, alert: HeardAlert, verb: Verb, habit: Habit) -> None:
        if alert.rings:
            if verb in _DIGITS:
                self._phones.takes_call(alert.address, _DIGITS[verb])
        elif alert.alert_id:
            data = button_data(Pressed(verb, alert_id=UUID(alert.alert_id)))
            signed = sign_button(data, alert.address, self._world.deployment.store.vault.index)
            self._phones.presses(alert.address, signed, habit.delivery)
        else:
            self._phones.texts(alert.address, f"{alert.code} {_SMS_VERBS[verb]}")

    def _by_api(self, alert: HeardAlert, verb: Verb) -> None:
        if not alert.alert_id:
            return  # an operator does not know alerts by their codes
        headers = self._world.deployment.bearer(KeyRole.OPERATOR)
        answer = self._phones.post(f"/v1/alerts/{alert.alert_id}/{verb}", {}, headers)
        assert answer.status_code in {200, 409}, answer.text
        if answer.status_code == 200 and verb is Verb.ACCEPT:
            self._phones.promises.accepted_alerts.append(alert.alert_id)


def _until_given_up(do: Any, *args: Any) -> None:
    try:
        do(*args)
    except GivenUp:
        return


def _repeated(habits: tuple[Habit, ...]) -> Iterator[Habit]:
    while True:
        yield from habits


def _pressable(entry: dict[str, Any]) -> Iterator[str]:
    for message in entry["messages"]:
        for button in taps.buttons(message):
            if data := button.action.get("data"):
                yield data


def _alert(entry: dict[str, Any]) -> HeardAlert | None:
    if entry["kind"] == "call":
        return HeardAlert(entry["person"], rings=True)
    if entry["kind"] == "sms":
        found = _SMS_ALERT.match(entry["text"])
        return HeardAlert(entry["person"], code=found[1]) if found else None
    for data in _pressable(entry):
        pressed = read_button(data)
        if pressed and pressed.do == Verb.ACCEPT:
            return HeardAlert(entry["person"], alert_id=str(pressed.alert_id))
    return None


def _follow_up(entry: dict[str, Any]) -> str | None:
    """What to press in order to say that the victim was reached."""
    for data in _pressable(entry):
        pressed = read_button(data)
        if pressed and pressed.follow_up_id and pressed.do == Outcome.REACHED:
            return data
    return None
