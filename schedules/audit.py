"""The audit, once a minute: is every promise where it must be?

The invariant is that every open incident has a future deadline or a named person.  What can be repaired is; what
is wrong stands in `/readyz`, `/metrics` and the log, and a supervisor is told: by this program itself, over LINE
or SMS, because Celery may be what is wrong.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from uuid import uuid4

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from ess import dispatch, duties, receipts
from ess.channels.envelope import Envelope, Message, Sender
from ess.domain.duty import Channel
from ess.domain.errors import PermanentFailure, Refused, TransientFailure
from ess.engine import Engine
from ess.store import alarms, health, responders
from ess.wake import QUEUES, TASKS
from schedules import canary

log = structlog.get_logger()

_EVERY_S = 60.0
#: While something is wrong, so that nobody is told for long of what is right again.
_SOON_S = 10.0
#: A promise that is later than this has nobody who works on it.
_LATE_S = 15.0
#: Gaps are looked for this often …
_GAPS_EVERY_S = 600.0
#: … and who was told of one hears of it again only after this: the next rota is a day's work, not a minute's.
_GAP_AGAIN_AFTER = timedelta(days=1)
#: What fits into one message that somebody reads.
_FIRST_GAPS, _MAX_ROTAS = 3, 20
_ALARM_LIVES = timedelta(minutes=30)


def run(stop: threading.Event, engine: Engine, settings: Settings) -> None:
    """Audit until told to stop, in a thread of its own: a provider that hangs must not hold up the clock."""
    pause_s = _EVERY_S
    gaps_due = 0.0
    while not stop.wait(pause_s):
        try:
            pause_s = _SOON_S if audit(engine, settings) else _EVERY_S
            if time.monotonic() >= gaps_due:
                gaps_due = time.monotonic() + _GAPS_EVERY_S
                warn_of_gaps(engine, settings)
        except SQLAlchemyError as error:
            log.warning("database_unreachable", error=type(error).__name__)
        except Exception:
            log.exception("audit_failed")  # a bug here must not end the audits to come


def audit(engine: Engine, settings: Settings) -> Mapping[str, str]:
    """What is wrong, by name; repaired where that can be, and told."""
    found = _findings(engine, settings)
    with engine.store.transaction() as tx:
        due = alarms.keep(tx, found)
    for name, detail in found.items():
        log.error("audit_found", finding=name, detail=detail)
    if due:
        what = ", ".join(engine.texts.word("alarms", name) for name in due)
        detail = "\n".join(f"{name}: {found[name]}" for name in due)
        say = lambda channel: engine.texts.say("audit_alarm", channel, (), what=what, detail=detail)  # noqa: E731
        _tell(engine, settings, due, say)
    if not found:
        log.info("audit_clean")
        _beat(settings)
    return found


def _findings(engine: Engine, settings: Settings) -> dict[str, str]:
    with engine.store.transaction() as tx:
        health.forget_old_runs(tx)
        lost = health.out_of_hand(tx)
        n_renewed = health.renew_promises(tx)
        receipts.promise(tx)
        late = {kind: seconds for kind, seconds in health.overdue_s(tx).items() if seconds > _LATE_S}
        absent = health.missing(tx, (health.CLOCK, *QUEUES))
        overdue_drill = canary.overdue_s(tx) if settings.canary_every_s else 0
    for incident_id in lost:
        try:
            dispatch.take_in_hand(engine, incident_id)
        except Refused as refused:
            log.info("in_hand_after_all", why=str(refused))
        except Exception:
            # One that cannot be read, or is held: it stays a finding, and must not hold up the others.
            log.exception("not_taken_in_hand", incident=lost[incident_id])
    queues = {TASKS[kind][1] for kind in late}
    found = {
        "out_of_hand": ", ".join(lost.values()),
        "promises_lost": str(n_renewed or ""),
        "late": f"{', '.join(sorted(queues))}: {max(late.values(), default=0):.0f} s" if late else "",
        "absent": ", ".join(absent),
        "canary": f"{overdue_drill:.0f} s" if overdue_drill else "",
    }
    return {name: detail for name, detail in found.items() if detail}


def warn_of_gaps(engine: Engine, settings: Settings) -> Mapping[str, str]:
    """Duty that nobody has within the next days, by rota; supervisors are told while there is time to fill it."""
    found = {
        name: ", ".join(
            f"{engine.texts.moment(start)} – {engine.texts.moment(end)}" for start, end in times[:_FIRST_GAPS]
        )
        for name, times in duties.gaps_ahead(engine).items()
    }
    with engine.store.transaction() as tx:
        kept = {f"{alarms.DUTY}{name}": detail for name, detail in found.items()}
        due = alarms.keep(tx, kept, about=alarms.DUTY, again_after=_GAP_AGAIN_AFTER)
    if due:
        log.warning("duty_has_gaps", rotas=due)
        more = [f"+ {len(due) - _MAX_ROTAS}"] if len(due) > _MAX_ROTAS else []
        lines = [f"{name.removeprefix(alarms.DUTY)}: {kept[name]}" for name in due[:_MAX_ROTAS]]
        say = lambda channel: engine.texts.say("duty_gap", channel, (), detail="\n".join(lines + more))  # noqa: E731
        _tell(engine, settings, due, say)
    return found


def _tell(engine: Engine, settings: Settings, due: Collection[str], say: Callable[[Channel], Message]) -> None:
    """Every supervisor of what is due, over their channels in turn until one takes it; where none does, soon again."""
    from ess.channels.senders import plain_senders  # noqa: PLC0415  # the SDKs: most of a second, rarely needed

    senders = plain_senders(settings)
    with engine.store.transaction() as tx:
        people = [
            {channel: str(responders.address(row, channel)) for channel in responders.written(row)}
            for row in responders.supervisors(tx)
        ]
    n_told = 0
    for person in people:
        if any(_told(senders[channel], channel, to, say(channel)) for channel, to in person.items()):
            n_told += 1
        else:
            log.error("supervisor_not_told")
    if people and not n_told:
        with engine.store.transaction() as tx:
            alarms.not_told(tx, due)


def _told(sender: Sender, channel: Channel, to: str, letter: Message) -> bool:
    try:
        sender.send(Envelope(uuid4(), to, (letter,), int(_ALARM_LIVES.total_seconds())))
    except (TransientFailure, PermanentFailure) as error:
        log.warning("alarm_not_sent", channel=channel, error=str(error))
        return False
    return True


def _beat(settings: Settings) -> None:
    if settings.heartbeat_url is None:
        return
    try:
        httpx.get(settings.heartbeat_url, timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("heartbeat_not_taken", error=type(error).__name__)
