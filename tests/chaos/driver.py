"""One run: its schedule is played, everything is mended, and what is left is collected."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from stack import Deployment, wait_for

from chaos.breaker import Breaker
from chaos.evidence import Evidence, collect
from chaos.people import Citizens, Responders
from chaos.phones import GivenUp, Phones
from chaos.schedule import (
    BreakPart,
    BreakProvider,
    Deed,
    Operate,
    RepeatReceipts,
    ReportByApi,
    ReportByLine,
    ReportByTask,
    Schedule,
)
from chaos.world import World
from ess.store.keys import KeyRole

#: From the end of a run until nothing more is due: a call that died (20 s), a few leases, and on a slow machine what
#: has piled up in a long run.
SETTLED_WITHIN_S = 240.0

#: Promises that must be kept before all is said: of those for later, only arrivals and calls may be left.  A receipt
#: for a message that was never recorded is looked for again for ten minutes, and nobody waits for it.
_RESTLESS = """
    SELECT count(*) FROM deadline
    WHERE (due_at <= clock_timestamp() OR kind NOT IN ('arrive', 'follow_up')) AND subject NOT LIKE 'receipt:%'
"""

#: What nothing is waited for but the time: whether a chat is still written to, and when a desk is asked once more.
_ONLY_WAITING = """
    WITH hastened AS (
        UPDATE deadline SET due_at = statement_timestamp(), wake_at = statement_timestamp()
        WHERE kind IN ('draft', 'select') AND due_at > statement_timestamp() RETURNING 1
    )
    SELECT count(*) FROM hastened
"""
_DUE = "SELECT count(*) FROM deadline WHERE due_at <= clock_timestamp() AND subject NOT LIKE 'receipt:%'"

#: Until a moment comes at which nothing is on its way; what waits for longer is lost.
_QUIET_WITHIN_S = 20.0
_WAITING = frozenset({"queued", "sending", "unknown"})
#: Among so many there are some that were taken.
_NEWEST_SMS = 50


#: What is raised where a server is away, hangs or ends a session; everything else that is raised is a bug.
_EXCUSED = re.compile(
    r"^(sqlalchemy\.exc\.(OperationalError|InterfaceError|TimeoutError|DisconnectionError)"
    r"|(redis|kombu)\.exceptions\.\w+|billiard\.exceptions\.WorkerLostError|ConnectionResetError)\b"
)
_RAISED = re.compile(r"^ .*\n(?:\s*\^*\n)?([A-Za-z_][\w.]*)(?=:|$)", re.MULTILINE)


def bugs(deployment: Deployment) -> Iterator[str]:
    """Errors in the logs that nothing that was broken can explain, each once, with how often it came."""
    found: Counter[str] = Counter()
    for line in deployment.log_text(*(program.name for program in deployment.programs)).splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # a banner, or half a line of a program that was killed
        raised = _RAISED.findall(said.get("exception", "")) if isinstance(said, dict) else []
        if raised and not _EXCUSED.match(raised[-1]):
            found[f"{raised[-1]} in {said['event'][:60]}"] += 1
    return (f"{name}, {times} times" for name, times in found.items())


class Crew(ThreadPoolExecutor):
    """Threads that say what went wrong in them."""

    def __init__(self) -> None:
        super().__init__(max_workers=512, thread_name_prefix="chaos")
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As the executor does it, and remembered."""
        future = super().submit(fn, *args, **kwargs)
        self.futures.append(future)
        return future

    def errors(self) -> list[str]:
        """What was raised in threads that have ended, but for callers who gave up."""
        raised = [future.exception() for future in self.futures if future.done()]
        return [f"{type(error).__name__}: {error}" for error in raised if error and not isinstance(error, GivenUp)]


class Driver:
    """Plays one schedule in one world."""

    def __init__(self, world: World, schedule: Schedule) -> None:
        self._world = world
        self._deployment: Deployment = world.deployment
        self._schedule = schedule
        self._phones = Phones(world.deployment)
        self._citizens = Citizens(world, self._phones, schedule.seed)
        self._responders = Responders(world, self._phones, schedule)
        self._breaker = Breaker(world)

    def run(self) -> Evidence:
        """What is left, once all deeds are done, all is mended and everybody has answered."""
        with Crew() as crew:
            standing = [
                crew.submit(self._responders.listen, crew),
                crew.submit(self._breaker.supervise, self._phones.over),
            ]
            try:
                doing = self._play(crew)
                for future in doing:
                    future.exception()  # has ended; what it raised is asked for below
                self._deployment.mend()
                self._responders.calm.set()
                settled = self._settle(crew, standing)
            finally:
                self._phones.over.set()
                # Whoever hears something at this instant still answers it, and may call in somebody else.
                while busy := [future for future in list(crew.futures) if not future.done()]:
                    wait(busy)
        mishaps = [*self._breaker.deaths, *crew.errors(), *settled, *bugs(self._deployment)]
        return self._collected(mishaps)

    def _collected(self, mishaps: list[str]) -> Evidence:
        """What is left at a quiet moment: an arrival that falls due just then is judged with what follows from it."""

        def collected() -> Evidence:
            return collect(self._deployment, self._phones.promises, self._breaker.disturbances, mishaps)

        def at_a_quiet_moment() -> Evidence | None:
            evidence = collected()
            is_quiet = all(delivery.state not in _WAITING for delivery in evidence.deliveries)
            n_deliveries = self._deployment.count("SELECT count(*) FROM delivery")
            same = n_deliveries == len(evidence.deliveries) and self._deployment.count(_RESTLESS) == 0
            return evidence if is_quiet and same else None

        try:
            found = wait_for(at_a_quiet_moment, "nothing happens while it is looked at", _QUIET_WITHIN_S)
        except AssertionError:
            return collected()
        return found or collected()

    def _play(self, crew: Crew) -> list[Future[Any]]:
        began, wakes = time.monotonic(), threading.Event()
        futures = []
        for at_s, deed in self._schedule.deeds:
            wakes.wait(max(0.0, began + at_s - time.monotonic()))
            futures.append(crew.submit(self._do, deed, crew))
        wakes.wait(max(0.0, began + self._schedule.seconds - time.monotonic()))
        return futures

    def _do(self, deed: Deed, crew: Crew) -> None:
        match deed:
            case BreakPart():
                self._breaker.break_part(deed)
            case BreakProvider(fault):
                answer = self._deployment.sim.post("/sim/faults", json=fault)
                assert answer.status_code == 201, answer.text
            case ReportByApi():
                self._citizens.report_by_api(deed, crew)
            case ReportByTask():
                self._citizens.report_by_task(deed)
            case ReportByLine():
                self._citizens.report_by_line(deed)
            case RepeatReceipts():
                self._repeat_receipts(deed)
            case Operate():
                self._operate(deed)

    def _repeat_receipts(self, deed: RepeatReceipts) -> None:
        newest = {"kind": "sms", "last": _NEWEST_SMS}  # the whole of it would keep the simulator from its calls
        ledger = self._deployment.sim.get("/sim/ledger", params=newest).json()
        sids = [entry["sid"] for entry in ledger if entry["status"] == 201]
        for sid in sids[-deed.n_messages :]:
            for status in deed.statuses:
                body = {"status": status, "code": 30005 if status == "undelivered" else None}
                self._deployment.sim.post(f"/sim/sms/messages/{sid}/status", json=body)

    def _operate(self, deed: Operate) -> None:
        headers = self._deployment.bearer(KeyRole.SUPERVISOR)
        try:
            listed = self._deployment.http.get("/v1/incidents", headers=headers)
        except Exception:  # noqa: BLE001  # a person who cannot open the board does something else
            return
        if listed.status_code != 200:
            return
        open_now = [row for row in listed.json()["incidents"] if row["state"] in {"alerting", "acknowledged"}]
        if len(open_now) > 1:
            body = {"into": open_now[1]["incident_id"]} if deed.operation == "merge" else {}
            path = f"/v1/incidents/{open_now[0]['incident_id']}/{deed.operation}"
            answer = self._phones.post(path, body, headers)
            assert answer.status_code in {200, 409}, answer.text

    def _settle(self, crew: Crew, standing: list[Future[Any]]) -> list[str]:
        """Nothing is due and nobody is asked any more; otherwise that it was not so in time.

        Once all are quiet, what only waits for its time comes due at once: nobody will write or tap any more.
        """

        def is_quiet(question: str) -> bool:
            idle = all(future.done() for future in list(crew.futures) if future not in standing)
            return idle and self._deployment.count(question) == 0

        try:
            wait_for(lambda: is_quiet(_DUE), "nobody does anything and nothing is due", SETTLED_WITHIN_S)
            self._deployment.count(_ONLY_WAITING)
            wait_for(lambda: is_quiet(_RESTLESS), "everything that was due is done", SETTLED_WITHIN_S)
        except AssertionError as late:
            return [str(late)]
        return []
