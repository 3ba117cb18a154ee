"""`ess demo`: the case of 20 April 2023 in Phitsanulok, played on the real engine, every promise measured.

A girl of 17 reported in LINE, in three steps and without a word, that she was being beaten; officers came
by the shared pin within twenty minutes, and social workers phoned her afterwards (thaigov.go.th news 67900).
Here the station does not answer in time, the car that comes needs backup, and the social worker is connected with her
through the engine's number, so that all of this is seen too.  Waits are shortened, and calls are made at any hour; all
else is what a ministry would run: PostgreSQL, Redis, two workers, the clock, the web edge, Flower, and
doubles of LINE and Twilio that speak their real HTTP.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.settings import Settings
from ess import roster
from ess.conversation.texts import Texts
from ess.domain.duty import NATIONAL_ROLES, Channel
from ess.embedded import Services
from ess.embedded.processes import POLL_S, StartFailed, free_port
from ess.embedded.stack import Running, running
from ess.store import enrolment, responders
from ess.store.keys import KeyRole, create_key
from ess.story import choice, sentence
from ess.up import name_phones, open_store

CITIZEN = "U" + "c" * 32
_CITIZENS_PHONE, _CITIZENS_NUMBER = "081 000 0000", "+66810000000"
_PIN = {"latitude": 16.8211, "longitude": 100.2659, "title": "บ้าน", "address": "อ.เมืองพิษณุโลก จ.พิษณุโลก"}
_STATION, _RADIO, _ONE_HOME = "PS-6501", "R191-65", "OH-65"
_STATION_WAITS_S = 5
#: A pause of a person, so that one can read along.
_PAUSE_S = 0.7
#: What happens on its own must have happened by then.
_PATIENCE_S = 20.0
_SHOWN = frozenset({"push", "reply", "sms"})
#: In somebody's ear.
_HEARD = {"call": "(rings)", "spoken": "", "connected": "(both can talk)"}

out = Console(highlight=False, soft_wrap=True)


class PromiseBroken(Exception):
    """Something that was promised did not happen in time."""


@dataclass(frozen=True)
class Promise:
    """One line of the reckoning."""

    words: str
    measured: str
    kept: bool


def play(settings: Settings) -> int:
    """Play it; the exit code: 0 where every promise was kept, 1 where one was not, which is named."""
    # The embedded parts always: a demonstration never touches a real database.
    data_dir = Path(tempfile.mkdtemp(prefix="demo-", dir=_made(settings.data_dir)))
    ours = Settings(
        database_url=None,
        broker_url=None,
        public_url=None,
        host="127.0.0.1",
        data_dir=data_dir,
        policy_dir=_shortened(settings.policy_dir, data_dir / "policies"),
        port=free_port(),
        flower_port=free_port(),
        simulator_port=free_port(),
    )
    pids: list[int] = []
    try:
        promises = _played(ours, pids)
    except (PromiseBroken, StartFailed, httpx.HTTPError) as broken:
        out.print(f"\n[bold red]Not kept:[/] {escape(str(broken))}")
        out.print(f"The logs are in {data_dir / 'logs'}.")
        return 1
    promises.append(_nothing_left(pids))
    _reckon(promises)
    if not all(promise.kept for promise in promises):
        out.print(f"The logs are in {data_dir / 'logs'}.")
        return 1
    shutil.rmtree(data_dir)
    return 0


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _shortened(folder: Path, target: Path) -> Path:
    """The policies as shipped, but the station has seconds instead of a minute, and a call is made at any hour."""
    shutil.copytree(folder, target)
    path = target / "assault.yaml"
    text = re.sub(r"(?<= )wait: 60 s", f"wait: {_STATION_WAITS_S} s", path.read_text(encoding="utf-8"), count=1)
    path.write_text(text.replace("calling_hours: true", "calling_hours: false"), encoding="utf-8")
    return target


def _played(settings: Settings, pids: list[int]) -> list[Promise]:
    out.print("[bold]ESS Dispatch · 20 April 2023, อ.เมืองพิษณุโลก จ.พิษณุโลก, played again on this machine[/]")
    out.print(
        "[dim]Starting PostgreSQL, Redis, the web edge, the clock, two workers, Flower, LINE and SMS doubles …[/]"
    )
    began = time.monotonic()
    people: dict[str, roster.Entry] = {}
    secrets: dict[str, str] = {}

    def prepare(services: Services, environment: Mapping[str, str]) -> None:
        store = open_store(services, environment, settings)
        rows = roster.parse_csv(roster.sample_csv())
        with store.transaction() as tx:
            enrolment.upsert(tx, rows)
            secrets["key"] = create_key(tx, "demo", KeyRole.SUPERVISOR)
            secrets["n_responders"] = str(responders.count(tx))
            people.update({row.ref: row for row in rows})
        store.close()

    more = {"ESS_PUBLIC_URL": ""}
    with running(settings, workers=2, simulator=True, say=out.print, more=more, prepare=prepare) as world:
        pids += [process.pid for process in world.supervisor.processes]
        pids += [server.pid for server in (world.services.postgres, world.services.redis) if server]
        names = {
            address: row.name_th for row in people.values() for address in (row.line_user_id, row.phone) if address
        }
        names |= {CITIZEN: "ผู้แจ้งเหตุ", _CITIZENS_NUMBER: "ผู้แจ้งเหตุ"}
        name_phones(world, names)
        n_processes = len(pids)
        out.print(
            f"[dim]Ready after {time.monotonic() - began:.1f} s: {n_processes} programs, "
            f"{secrets['n_responders']} sample responders in all 77 provinces.[/]\n"
        )
        with _story(world, secrets["key"], names) as story:
            return _tell(story, people)


@contextmanager
def _story(world: Running, key: str, names: Mapping[str, str]) -> Iterator["_Story"]:
    with (
        httpx.Client(base_url=world.stack.simulator_url, timeout=20) as phones,
        httpx.Client(base_url=world.stack.url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as api,
    ):
        yield _Story(world, phones, api, names, Texts(Settings().message_dir, "th"))


@dataclass
class _Story:
    """What was seen so far: on the phones (the ledger) and in the engine (the timeline)."""

    world: Running
    phones: httpx.Client
    api: httpx.Client
    names: Mapping[str, str]
    texts: Texts
    ledger: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    code: str | None = None
    began: datetime | None = None

    def does(self, path: str, **body: Any) -> None:
        """Somebody does something with their phone."""
        self.phones.post(path, json=body).raise_for_status()

    def taps(self, user_id: str | None, group: str, word: str) -> None:
        """Somebody taps the newest button with this label in LINE."""
        self.does(f"/sim/line/{user_id}/tap", label=self.texts.word(group, word))

    def sees(self, what: str, seen: Callable[[], Any]) -> None:
        """Tell on until it is seen; PromiseBroken where it is not in time."""
        end = time.monotonic() + _PATIENCE_S
        while not seen():
            if time.monotonic() > end:
                raise PromiseBroken(f"{what}, within {_PATIENCE_S:.0f} s")
            self._look()
            time.sleep(POLL_S)
        self._look()

    def rests(self) -> None:
        """A person's pause, while the story goes on."""
        end = time.monotonic() + _PAUSE_S
        while time.monotonic() < end:
            self._look()
            time.sleep(POLL_S)

    def shown(self, to: str | None, words: str) -> list[dict[str, Any]]:
        """Messages on somebody's phone with these words."""
        return [
            entry for entry in self.ledger if entry["kind"] in _SHOWN and entry["to"] == to and words in entry["text"]
        ]

    def heard(self, phone: str | None, kind: str) -> list[dict[str, Any]]:
        """What this phone did or said, of that kind."""
        return [entry for entry in self.ledger if entry["kind"] == kind and entry["person"] == phone]

    def facts(self, name: str, **data: Any) -> list[dict[str, Any]]:
        """Facts of that name with these values."""
        return [
            fact
            for fact in self.timeline
            if fact["fact"] == name and all(fact.get(key) == value for key, value in data.items())
        ]

    def _look(self) -> None:
        new: list[tuple[datetime, str, Any]] = []
        after = self.ledger[-1]["seq"] if self.ledger else 0
        entries = self.phones.get("/sim/ledger", params={"since": after}).json()
        self.ledger += entries
        new += [(datetime.fromisoformat(entry["at"]), "phone", entry) for entry in entries]
        if self.code is None:
            found = self.api.get("/v1/incidents").json()["incidents"]
            self.code = found[0]["code"] if found else None
        if self.code:
            facts = self.api.get(f"/v1/incidents/{self.code}/timeline").json()
            known = {(fact["at"], fact["fact"], str(fact)) for fact in self.timeline}
            fresh = [fact for fact in facts if (fact["at"], fact["fact"], str(fact)) not in known]
            self.timeline = facts
            new += [(datetime.fromisoformat(fact["at"]), "engine", fact) for fact in fresh]
        for at, kind, item in sorted(new, key=lambda line: line[0]):
            self.began = self.began or at
            self._print(f"{(at - self.began).total_seconds():6.2f} s", kind, item)

    def _print(self, since: str, kind: str, item: Mapping[str, Any]) -> None:
        if kind == "phone":
            self._print_phone(since, item)
        elif not item["fact"].startswith("delivery_"):
            out.print(f"[cyan]{since}[/]   [dim]│[/] ", sentence(self.texts, item))
            for line in choice(item, "chosen", 3):
                out.print(" " * 9 + "   [dim]│[/]   ", line)

    def _print_phone(self, since: str, entry: Mapping[str, Any]) -> None:
        who = escape(self.names.get(entry["person"], entry["person"]))
        lines = entry["text"].splitlines()
        words = escape(" / ".join(line for line in lines if not line.startswith("[")))
        buttons = escape(" ".join(line for line in lines if line.startswith("[")))
        if entry["kind"] in _SHOWN:
            over = "SMS" if entry["kind"] == "sms" else "LINE"
            out.print(f"[cyan]{since}[/] 📱 [bold]{who}[/] [dim]{over}[/] {words} [green]{buttons}[/]")
        elif entry["kind"] in _HEARD:
            heard = words or _HEARD[entry["kind"]]
            out.print(f"[cyan]{since}[/] 📞 [bold]{who}[/] {heard}")
        elif entry["kind"] == "inbound":
            out.print(f"[cyan]{since}[/] 👆 [bold magenta]{who}[/] [magenta]{words}[/]")


def _tell(story: _Story, people: Mapping[str, roster.Entry]) -> list[Promise]:
    station, radio, one_home = people[_STATION], people[_RADIO], people[_ONE_HOME]
    _is_reported(story)
    story.sees("the station is alerted", lambda: story.shown(station.line_user_id, "เหตุด่วน"))
    story.sees("the One Home team is alerted", lambda: story.shown(one_home.line_user_id, "เหตุด่วน"))
    story.rests()
    story.taps(one_home.line_user_id, "buttons", "accept")
    story.sees("the One Home team has accepted", lambda: story.facts("accepted", track="social_care"))

    story.sees("the station's silence is noticed", lambda: story.facts("step_expired", track="police"))
    story.sees("191 is alerted by SMS", lambda: story.shown(radio.phone, "ESS "))
    story.rests()
    alert_sms = story.shown(radio.phone, "ESS ")[0]["text"]
    code = re.search(r"(\d\d) 1", alert_sms)
    if code is None:
        raise PromiseBroken(f"the SMS names a code to answer with: {alert_sms}")

    def texts_back(words: str, fact: str) -> None:
        story.rests()
        story.does(f"/sim/sms/{radio.phone}/text", text=f"{code[1]} {words}")
        story.sees(f"the radio centre has {fact}", lambda: story.facts(fact))

    texts_back("1 15", "acknowledged")
    story.sees("the reporter is told who comes and when", lambda: story.shown(CITIZEN, "คาดว่าถึง"))
    story.sees("the station is stood down", lambda: story.shown(station.line_user_id, radio.name_th))
    texts_back("3", "departed")
    texts_back("5", "backup_wanted")
    story.sees("the station is asked to come as backup", lambda: len(story.shown(station.line_user_id, "เหตุด่วน")) > 1)
    story.rests()
    story.taps(station.line_user_id, "buttons", "accept")
    coming = story.texts.say("backup_comes", Channel.SMS, code=story.code).text
    story.sees("191 hears that backup comes", lambda: story.shown(radio.phone, coming))
    texts_back("4", "arrived")
    texts_back("9", "resolved")

    story.sees("the follow-up call is promised", lambda: story.facts("follow_up_opened"))
    worker = people[story.facts("follow_up_opened")[0]["responder"]["ref"]]
    story.sees("the social worker is asked to call", lambda: story.shown(worker.line_user_id, "โทรติดตาม"))
    story.rests()
    story.taps(worker.line_user_id, "buttons", "call")
    _are_connected(story, worker)
    story.taps(worker.line_user_id, "buttons", "reached")
    story.sees("the incident is closed", lambda: story.facts("closed"))
    story.sees("the social worker is thanked", lambda: story.shown(worker.line_user_id, "บันทึกผล"))
    return _promises(story, people, worker)


def _is_reported(story: _Story) -> None:
    """Three taps, and no word: the type, the pin; then a wish and a phone, which nobody waited for."""
    texts = story.texts
    story.does(f"/sim/line/{CITIZEN}/postback", data="action=report", display_text=texts.word("buttons", "report"))
    story.sees("the five types are offered", lambda: story.shown(CITIZEN, "เลือก 1 ข้อ"))
    story.rests()
    story.taps(CITIZEN, "type_labels", "assault")
    story.sees("the pin is asked for", lambda: story.shown(CITIZEN, texts.word("buttons", "share_pin")))
    story.rests()
    story.does(f"/sim/line/{CITIZEN}/location", **_PIN)
    story.sees("the reporter is told that it was received", lambda: story.shown(CITIZEN, "รับเรื่องแล้ว"))
    story.taps(CITIZEN, "wishes", "any")
    story.does(f"/sim/line/{CITIZEN}/text", text=_CITIZENS_PHONE)


def _are_connected(story: _Story, worker: roster.Entry) -> None:
    """The social worker's phone rings first, and hers only at the digit; neither shows the other's number."""
    hers = _CITIZENS_NUMBER
    story.sees("the social worker's own phone rings", lambda: story.heard(worker.phone, "call"))
    story.rests()
    story.does(f"/sim/voice/{worker.phone}/press", digits="1")
    story.sees("then hers", lambda: story.heard(hers, "call"))
    story.rests()
    story.does(f"/sim/voice/{hers}/pick-up")
    story.sees("they can talk", lambda: story.heard(hers, "connected"))
    story.rests()
    story.does(f"/sim/voice/{hers}/hang-up")
    story.sees("the card for the outcome comes again", lambda: story.shown(worker.line_user_id, "สายสิ้นสุดแล้ว"))


def _promises(story: _Story, people: Mapping[str, roster.Entry], worker: roster.Entry) -> list[Promise]:
    station, radio, one_home = people[_STATION], people[_RADIO], people[_ONE_HOME]

    def at(item: Mapping[str, Any]) -> datetime:
        return datetime.fromisoformat(item["at"])

    def span(start: datetime, end: datetime) -> str:
        return f"{(end - start).total_seconds() * 1000:.0f} ms"

    received = at(story.facts("received")[0])
    first_alert = at(story.shown(station.line_user_id, "เหตุด่วน")[0])
    expired = story.facts("step_expired", track="police")[0]
    due = datetime.fromisoformat(expired["due_at"])
    second_alert = at(story.shown(radio.phone, "ESS ")[0])
    accepted = at(story.facts("accepted", track="police")[0])
    told = story.shown(CITIZEN, "คาดว่าถึง")
    informed, team = story.shown(radio.phone, "เพื่อทราบ"), story.shown(CITIZEN, one_home.name_th)
    receipts = story.shown(CITIZEN, "รับเรื่องแล้ว")
    stood_down = at(story.shown(station.line_user_id, radio.name_th)[0])
    asked = at(story.shown(worker.line_user_id, "โทรติดตาม")[0])
    resolved = at(story.facts("resolved")[0])
    sms = [entry["text"] for entry in story.ledger if entry["kind"] == "sms"]
    linked = [text for text in sms if "/a/" in text]
    asked_to_act = [people[fact["responder"]["ref"]] for fact in story.facts("alerted")]
    supervising = [person for person in people.values() if person.role in NATIONAL_ROLES]  # they hear of the backup
    theirs = {person.line_user_id or person.phone for person in (*asked_to_act, *supervising, worker)}
    lit = {entry["to"] for entry in story.ledger if entry["kind"] in _SHOWN}
    wanted = at(story.facts("backup_wanted")[0])
    backup_asked = at(story.shown(station.line_user_id, "เหตุด่วน")[1])
    calls = [entry for entry in story.ledger if entry["kind"] == "call"]
    longest = max(len(text.encode("utf-16-le")) // 2 for text in sms if text not in linked)
    tasks = _tasks_in_flower(story)
    second = timedelta(seconds=1)
    return [
        Promise(
            "pin shared → the station's phone shows the alert",
            span(received, first_alert),
            first_alert - received < second,
        ),
        Promise(
            "the reporter is told “received”, once",
            f"{span(received, at(receipts[0]))}, {len(receipts)}×",
            len(receipts) == 1,
        ),
        Promise(
            "the pin is shown to the 191 centre for its information, once", f"{len(informed)}×", len(informed) == 1
        ),
        Promise("the reporter is told which team comes too and when, once", f"{len(team)}×", len(team) == 1),
        Promise(
            "station silent → the step ends on time, 1 s late at most",
            span(due, at(expired)),
            at(expired) - due < second,
        ),
        Promise("… and 191 has its SMS", span(due, second_alert), second_alert - due < second),
        Promise(
            "191 answers by SMS → the reporter is told who comes and when, once",
            f"{span(accepted, at(told[0]))}, {len(told)}×",
            len(told) == 1,
        ),
        Promise("… and the station is stood down and told who has it", span(accepted, stood_down), True),
        Promise("One Home's acknowledgement did not stop the police track", "expired as promised", bool(expired)),
        Promise(
            "191 needs backup → the station is alerted once more",
            span(wanted, backup_asked),
            backup_asked - wanted < second,
        ),
        Promise("resolved → the social worker has the call to make", span(resolved, asked), asked - resolved < second),
        Promise(
            "connected by the engine, neither sees the other's number",
            f"{len(calls)} calls",
            not any(entry["detail"]["from"] in {worker.phone, _CITIZENS_NUMBER} for entry in calls),
        ),
        Promise("nobody else's phone lit up", f"{len(lit)} phones", lit == {CITIZEN, *theirs}),
        Promise(
            "every SMS fits one segment and says no more than a district",
            f"{longest} of 70",
            longest <= 70 and not any("ทำร้าย" in text for text in sms),
        ),
        Promise("… and one to whoever took it has a link to the place, once", f"{len(linked)}×", len(linked) == 1),
        Promise(
            "Flower shows the tasks by name",
            f"{len(tasks)} names",
            {"ess.locate_incident", "ess.send_delivery"} <= tasks,
        ),
    ]


def _tasks_in_flower(story: _Story) -> set[str]:
    page = httpx.get(f"{story.world.stack.flower_url}/metrics", timeout=10).text
    return set(re.findall(r'task="(ess\.[a-z_]+)"', page))


def _nothing_left(pids: list[int]) -> Promise:
    left = [pid for pid in pids if _exists(pid)]
    return Promise("every program has ended", f"{len(pids) - len(left)} of {len(pids)}", not left)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, under another account
        return True
    return True


def _reckon(promises: list[Promise]) -> None:
    table = Table(title="What was promised, and measured", title_justify="left", title_style="bold", box=None)
    table.add_column("")
    table.add_column("promise")
    table.add_column("measured", justify="right")
    for promise in promises:
        table.add_row("[green]✓[/]" if promise.kept else "[bold red]✗[/]", escape(promise.words), promise.measured)
    out.print()
    out.print(table)
    broken = [promise.words for promise in promises if not promise.kept]
    if broken:
        out.print(f"\n[bold red]Not kept:[/] {escape('; '.join(broken))}")
    else:
        out.print("\n[bold green]Every promise was kept.[/]")
