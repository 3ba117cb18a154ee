"""The shell: one function for each thing that a person or the clock can do.

Each loads under a lock, lets the pure core decide, saves, and commits once; what it promises is rows.  In
the order of an incident's life: accept, locate, select, fire, answer, follow up; then what operators do.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import bindparam, text
from sqlmodel import col, select

from ess import callers, geo, outbox
from ess.codes import new_code
from ess.conversation.answer import Verb
from ess.domain import incident as life
from ess.domain.duty import NATIONAL_ROLES, Responder, Role
from ess.domain.errors import AlreadyRecorded, Conflict, NotFound, Refused
from ess.domain.follow_up import Outcome, is_asked_at_once
from ess.domain.incident import Decision, Incident, decide, receive
from ess.domain.place import Pin, Place, Source, address, overrules, settled, squares_around, together
from ess.domain.policy import Policy, Target
from ess.domain.reason import Phrase, summed, told
from ess.domain.report import Contact, IncidentType, Location, Report, Reporter
from ess.domain.report import Source as Door
from ess.domain.roster import NATION
from ess.domain.selection import Candidate, choose, n_sides
from ess.engine import Engine
from ess.store import Transaction, accounts, candidates, incidents, reach, rotas, tables
from ess.wake import REFINE, TRAVEL

log = structlog.get_logger()

_CODE_LENGTH = 6
#: Before and after somebody was asked for the first time.
_NOT_BEGUN = frozenset({life.State.RECEIVED, life.State.LOCATED})
#: Candidates that were passed over and are kept with their reasons, per step.
_KEPT_REASONS = 100

#: Adds to the transaction of a decision, such as the words that whoever asked for it hears back.
Then = Callable[[Transaction, Incident], None]


@dataclass(frozen=True)
class Accepted:
    """What an intake gets back: the same for the same report."""

    report_id: UUID
    incident_id: UUID
    code: str


# --- report → incident -----------------------------------------------------------------------------------
def accept_report(engine: Engine, report: Report, *, owner: str, idempotency_key: str, drill: bool = False) -> Accepted:
    """Keep the report and begin its incident, or join the one that others have told of.

    The same key and report again changes nothing.

    A `drill` runs through the whole engine and can reach nobody real.  Conflict where `owner` used the key for
    another report.
    """
    with engine.store.transaction() as tx:
        return accept_report_in(engine, tx, report, owner=owner, idempotency_key=idempotency_key, drill=drill)


def accept_report_in(
    engine: Engine,
    tx: Transaction,
    report: Report,
    *,
    owner: str,
    idempotency_key: str,
    reply_token: str | None = None,
    drill: bool = False,
) -> Accepted:
    """`accept_report` as part of a transaction that does more."""
    fingerprint = _fingerprint(report)
    policy, pin = engine.policies[report.type], _pin(report.location)
    joins = bool(policy.join and pin and not drill)
    # Two of the same at the same instant, or two witnesses: the second waits here and then finds the first.
    neighbours = sorted(f"{report.type} {row} {column}" for row, column in squares_around(pin)) if pin and joins else []
    code = _begin(tx, [f"{owner}\n{idempotency_key}", *neighbours])
    earlier = tx.session.execute(_BEFORE, {"owner": owner, "key": idempotency_key}).first()
    if earlier is not None:
        if earlier.fingerprint != fingerprint:
            raise Conflict("this Idempotency-Key came with another report: use a new key for a new report")
        return Accepted(earlier.id, earlier.incident_id, earlier.code)
    report_id = uuid4()
    known = _witnessed(tx, report.type, policy, pin) if joins else None
    if known:
        decision = decide(known, life.Join((report_id,), _words(report)), tx.now)
    else:
        has_place = not report.location.is_empty
        decision = receive(uuid4(), code, report.type, policy, has_place=has_place, now=tx.now, pin=pin)
        incidents.create(tx, decision, drill=drill)
    row = _report_row(tx, report_id, report, decision.incident.id, owner, idempotency_key, fingerprint)
    incidents.add_report(tx, row)
    _finish(engine, tx, decision, reply_token=reply_token)
    return Accepted(report_id, decision.incident.id, decision.incident.code)


def report_again(
    engine: Engine, tx: Transaction, report_id: UUID, *, key: str, reply_token: str | None = None
) -> Accepted:
    """Whoever made this report is not safe, though it is over: somebody must answer for that as for any other report.

    The same at the same place, as far as it is known by now, is a new incident, or joins one that runs there.
    """
    before = tx.session.get_one(tables.Report, report_id)
    incident = incidents.read(tx, before.incident_id)
    said = before.details
    location = Location(*incident.pin) if incident.pin else Location(**said["location"])
    reporter = Reporter(
        phone=said["phone"],
        name=said["name"],
        contact=Contact(before.contact),
        contact_said=said.get("contact_said", False),
        line_user_id=said["line_user_id"],
    )
    report = Report(
        incident.type,
        Door(before.source),
        location,
        reporter,
        description=said["description"],
        victim_is_minor=before.victim_is_minor,
    )
    accepted = accept_report_in(engine, tx, report, owner=before.owner, idempotency_key=key, reply_token=reply_token)
    tx.session.get_one(tables.Report, accepted.report_id).in_danger = before.in_danger
    incidents.note(tx, incident.id, life.Fact("reported_again", {"into_code": accepted.code}))
    return accepted


def _words(report: Report) -> str:
    """What a witness wrote; the address that LINE gives to a pin is nobody's words."""
    address = None if report.source == "line" and _pin(report.location) else report.location.address
    return "\n".join(filter(None, (address, report.description)))


def _witnessed(tx: Transaction, kind: IncidentType, policy: Policy, pin: Pin | None) -> Incident | None:
    """The running incident that a report of this type from there tells of as well, locked.

    One that began under a policy without joining stays as it is.
    """
    for incident_id in incidents.near(tx, kind, pin, policy.join) if pin and policy.join else ():
        incident = incidents.lock(tx, incident_id)
        # It may have ended while its lock was waited for.
        if incident.policy.join and incident.is_open and incident.state is not life.State.RESOLVED:
            return incident
    return None


def _fingerprint(report: Report) -> str:
    said = asdict(report)
    del said["reporter"]["contact_said"]  # the release before did not know it, and a repetition may come after it
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


_BEFORE = (
    select(tables.Report.id, tables.Report.incident_id, tables.Report.fingerprint, tables.Incident.code)
    .join(tables.Incident, col(tables.Incident.id) == col(tables.Report.incident_id))
    .where(col(tables.Report.owner) == bindparam("owner"), col(tables.Report.idempotency_key) == bindparam("key"))
)
#: In one round trip: whoever holds the locks, the time since, and whether the code is taken.
_BEGIN = text(
    # In the order given, the report's key before the squares around its pin, the same everywhere.
    "SELECT (SELECT count(pg_advisory_xact_lock(hashtextextended(key, 1)))"
    " FROM (SELECT unnest(CAST(:keys AS text[])) AS key) AS keys), clock_timestamp() AS at,"
    " EXISTS (SELECT FROM incident WHERE code = :code) AS is_taken"
)


def _begin(tx: Transaction, keys: Sequence[str] = ()) -> str:
    """Wait for whoever has one of these keys; the code for a new incident."""
    while True:
        code = new_code(_CODE_LENGTH)
        row = tx.session.execute(_BEGIN, {"keys": list(keys), "code": code}).one()
        tx.saw_clock(row.at)
        if not row.is_taken:
            return code


def _pin(location: Location) -> Pin | None:
    if location.latitude is None or location.longitude is None:
        return None
    return location.latitude, location.longitude


def _report_row(
    tx: Transaction,
    report_id: UUID,
    report: Report,
    incident_id: UUID,
    owner: str,
    idempotency_key: str,
    fingerprint: str,
) -> tables.Report:
    reporter = report.reporter
    return tables.Report(
        id=report_id,
        incident_id=incident_id,
        source=report.source,
        owner=owner,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
        type=report.type,
        contact=reporter.contact,
        victim_is_minor=report.victim_is_minor,
        external_id=report.external_id,
        details={
            "location": asdict(report.location),
            "description": report.description,
            "phone": reporter.phone,
            "name": reporter.name,
            "contact_said": reporter.contact_said,
            "line_user_id": reporter.line_user_id,
        },
        phone_index=tx.vault.index(reporter.phone) if reporter.phone else None,
        line_index=tx.vault.index(reporter.line_user_id) if reporter.line_user_id else None,
        reported_at=report.reported_at,
        received_at=tx.now,
    )


def _decided(engine: Engine, tx: Transaction, incident: Incident, command: life.Command) -> Incident:
    """The locked incident as the command leaves it."""
    decision = decide(incident, command, tx.now)
    _finish(engine, tx, decision)
    return decision.incident


def _finish(engine: Engine, tx: Transaction, *decisions: Decision, reply_token: str | None = None) -> None:
    for decision in decisions:
        incidents.save(tx, decision)
    outbox.carry_out(engine, tx, decisions, reply_token=reply_token)


# --- incident → place → alerts ---------------------------------------------------------------------------
def keep_deadlines(engine: Engine, deadline_ids: Collection[int], *, most: int = 0) -> None:
    """Do what these deadlines of incidents promised, each once, all in one transaction.

    Whoever finds the row gone, or moved, comes too late and does nothing.  With the decision go the choices that it
    makes due: the responders are alerted at once.  Where a new incident had to wait, others that wait are taken along,
    up to `most` in all.  What fails fails for all of them: keep each alone then.
    """
    with engine.store.transaction() as tx, tx.session.no_autoflush:
        due = incidents.lock_for(tx, deadline_ids, most=most)
        decisions = [_kept(engine, tx, incident, deadlines) for incident, deadlines in due]
        if any(_choices_due(decision.incident, tx.now) for decision in decisions):
            duty = _on_duty_now(engine, tx, [decision.incident for decision in decisions])
            decisions = [_with_choices(tx, decision, duty) for decision in decisions]
        _finish(engine, tx, *decisions)
        for (before, _), decision in zip(due, decisions, strict=True):
            if before.state in _NOT_BEGUN:
                _refine_soon(engine, tx, decision.incident)
                _measure_soon(tx, decision.incident)


def _kept(engine: Engine, tx: Transaction, incident: Incident, deadlines: Iterable[life.Deadline]) -> Decision:
    decision = Decision(incident)
    for deadline in deadlines:
        command = _command_for(engine, tx, decision.incident, deadline)
        if command is None:
            continue
        try:
            decision = decision.then(decide(decision.incident, command, tx.now))
        except AlreadyRecorded as late:
            log.info("deadline_decides_nothing", incident=incident.code, kind=deadline.kind, why=str(late))
            incidents.drop(tx, incident, deadline)
    return decision


def _command_for(engine: Engine, tx: Transaction, incident: Incident, deadline: life.Deadline) -> life.Command | None:
    """What a deadline asks of its incident; None: only the choice, which follows whatever else was decided."""
    match deadline.kind:
        case life.DeadlineKind.SELECT:
            return None
        case life.DeadlineKind.LOCATE:
            return _locate(tx, incident)
        case life.DeadlineKind.OPEN_FOLLOW_UPS:
            return _open_follow_ups(engine, tx, incident)
        case life.DeadlineKind.FOLLOW_UP:
            return _mind_follow_up(engine, tx, incident, deadline)
        case _:
            return life.PassDeadline(deadline)


def _locate(tx: Transaction, incident: Incident) -> life.Locate:
    """Name the place of a new incident; where nobody can, the national desk is alerted."""
    reports = incidents.reports(tx, incident.id)
    places = (_found(Location(**report.details["location"])) for report in reports)
    place = next((place for place in places if place is not None), None)
    unclear = any(report.details["location"]["address"] for report in reports)
    return life.Locate(place, incident.pin, unclear=unclear)


def _found(location: Location, source: Source | None = None) -> Place | None:
    """What pin and words say together, the pin first; whoever says so, where it is not the reporter."""
    pin = _pin(location)
    pinned = _looked_up(geo.locate, *pin, location.accuracy_m or 0) if pin else None
    said = _looked_up(geo.find, location.address) if location.address else None
    if pinned is None:
        return replace(said, source=source or "text") if said else None
    how = source or ("pin" if location.accuracy_m is None else "device")
    place = replace(pinned, source=how, accuracy_m=location.accuracy_m)
    return together(place, said) if said else place


def _looked_up(look: Callable[..., Place | None], *what: float | str) -> Place | None:
    try:
        return look(*what)
    except Exception:
        # The fourth law goes before the rule that a bug is never caught: nothing that can fail stands before
        # the first alert, and the national desk can find a place that this program cannot.
        log.exception("place_failed")
        return None


def _with_choices(tx: Transaction, decision: Decision, duty: rotas.Now) -> Decision:
    """The decision and every choice that it makes due.

    A step for which there is nobody leads to the next one here and now.
    """
    pool: Pool = {}
    off = _off_duty(tx, decision.incident, duty)
    alerted: set[UUID] = set()
    while due := min(_choices_due(decision.incident, tx.now), default=None):
        choice = _choice(tx, decision.incident, due, pool, off)
        decision = decision.then(decide(decision.incident, choice, tx.now))
        alerted |= {chosen.responder_id for chosen in choice.chosen}
    tx.alerted.update(alerted)
    return decision


#: Who was read for each target.
Pool = dict[Target, candidates.Found]


def _on_duty_now(engine: Engine, tx: Transaction, about: Iterable[Incident]) -> rotas.Now:
    """The rotas of all provinces that these may lie in."""
    return rotas.now(tx, {code for incident in about for code in _provinces(incident)}, engine.days_off)


def _off_duty(tx: Transaction, incident: Incident, duty: rotas.Now) -> Mapping[str, Phrase]:
    """Who of those who could be asked is in a rota and off duty now, and why; a drill knows no rotas."""
    return {} if tx.loaded[incident.id].incident.drill else duty.off_duty(_provinces(incident))


def _provinces(incident: Incident) -> list[str]:
    return [area.code for area in incident.place.candidates] if incident.place else []


def _choices_due(incident: Incident, now: datetime) -> list[life.Deadline]:
    return [due for due in incident.deadlines if due.kind is life.DeadlineKind.SELECT and due.due_at <= now]


def _choice(
    tx: Transaction, incident: Incident, deadline: life.Deadline, pool: Pool, off: Mapping[str, Phrase]
) -> life.AlertResponders:
    track = incident.track(deadline.subject)
    targets = incident.targets(track.name)
    if not pool.keys() >= set(targets):
        # One query for every choice that is due: where all tracks begin, for all of them.
        due = [target for choice in _choices_due(incident, tx.now) for target in incident.targets(choice.subject)]
        pool |= candidates.find(tx, incident, dict.fromkeys(due), off)
    considered = _considered(tx, incident, track, targets, pool, off)
    chosen = tuple(
        life.Chosen(uuid4(), c.responder.id, c.responder.role, c.reason, on_scene=c.responder.on_scene)
        for c in considered
        if c.chosen
    )
    passed_over = [candidate for candidate in considered if not candidate.chosen]
    kept = tuple(_passed_over(candidate) for candidate in passed_over[:_KEPT_REASONS])
    left = (rest for target in dict.fromkeys(targets) for rest in pool[target].left)
    rest = (*summed(candidate.reason for candidate in passed_over[_KEPT_REASONS:]), *left)
    return life.AlertResponders(deadline, track.asking, chosen, kept, rest)


def _considered(
    tx: Transaction,
    incident: Incident,
    track: life.Track,
    targets: Sequence[Target],
    pool: Pool,
    off: Mapping[str, Phrase],
) -> list[Candidate]:
    """The choice among the nearest; among more of them only where too few are free, or another choice was faster."""
    pin = incident.pin
    asked = frozenset() if incident.asks_last_resort(track.name) else incident.asked(track.name)
    limit = candidates.PAGE
    claimed: dict[UUID, Responder] = {}
    while True:
        people = {person.id: person for target in targets for person in pool[target].responders} | claimed
        considered = choose(targets, people.values(), incident.place, pin, asked, tx.now)
        short = [target for target in targets if pool[target].n_left_near and _is_short(target, considered, incident)]
        if short:
            limit *= candidates.NEXT_PAGE
            pool |= candidates.find(tx, incident, short, off, limit=limit)
            continue
        # Whoever has no limit may be chosen by two at once: only of the others must each choice know of the other.
        scarce = [c.responder for c in considered if c.chosen and c.responder.capacity is not None]
        unclaimed = [responder for responder in scarce if responder.id not in claimed]
        if not unclaimed:
            return considered
        claimed |= {person.id: person for person in candidates.claimed(tx, incident, unclaimed)}


def _is_short(target: Target, considered: Sequence[Candidate], incident: Incident) -> bool:
    free = [c for c in considered if c.chosen and c.free and c.responder.role is target.role]
    return len(free) < target.count * n_sides(incident.place)


def _passed_over(candidate: Candidate) -> dict[str, Any]:
    return {"responder_id": candidate.responder.id, "reason": told(candidate.reason)}


def _refine_soon(engine: Engine, tx: Transaction, incident: Incident) -> None:
    """Words alone said where, and somebody has been alerted by them: now there is time to ask a geocoder."""
    if not engine.refines or incident.state in _NOT_BEGUN:
        return
    row = tx.session.get_one(tables.Incident, incident.id)
    if row.pin is None and not row.drill:
        _promise_once(tx, REFINE, incident)


def _measure_soon(tx: Transaction, incident: Incident) -> None:
    """Somebody has been alerted: now there is time to ask a router how long people take to that neighbourhood."""
    if not tx.travel_times or incident.state in _NOT_BEGUN:
        return
    if incident.pin and not tx.loaded[incident.id].incident.drill:
        _promise_once(tx, TRAVEL, incident)


def _promise_once(tx: Transaction, kind: str, incident: Incident) -> None:
    asked = select(tables.Deadline.id).where(tables.Deadline.incident_id == incident.id, tables.Deadline.kind == kind)
    if tx.session.exec(asked).first() is None:
        tx.promise(kind, tx.now, incident_id=incident.id)


# --- alert → acknowledgement -----------------------------------------------------------------------------
_COMMANDS: dict[Verb, type[life.Decline | life.Arrive | life.CallBackup | life.Resolve]] = {
    Verb.DECLINE: life.Decline,
    Verb.ARRIVE: life.Arrive,
    Verb.BACKUP: life.CallBackup,
    Verb.RESOLVE: life.Resolve,
}


def _command(alert_id: UUID, verb: Verb, eta: timedelta | None, via: str) -> life.Command:
    match verb:
        case Verb.ACCEPT:
            return life.Accept(alert_id, eta, via)
        case Verb.DEPART:
            return life.Depart(alert_id, via, eta)
        case Verb.ETA:
            if eta is None:
                raise Refused("say in how many minutes you will be there")
            return life.Estimate(alert_id, eta, via)
        case _:
            return _COMMANDS[verb](alert_id, via)


def answer_alert(
    engine: Engine,
    alert_id: UUID,
    verb: Verb,
    *,
    via: str,
    eta: timedelta | None = None,
    then: Then | None = None,
) -> Incident:
    """A responder answers an alert: LINE tap, SMS, and API all end here.

    Refused, AlreadyRecorded or AlreadyTaken where nothing changed.
    """
    return _answer_to(engine, tables.Alert, alert_id, _command(alert_id, verb, eta, via), then)


def answer_alert_in(
    engine: Engine, tx: Transaction, alert_id: UUID, verb: Verb, *, via: str, eta: timedelta | None = None
) -> Incident:
    """`answer_alert` as part of a transaction that does more."""
    incident = incidents.lock(tx, _incident_of(tx, tables.Alert, alert_id))
    return _decided(engine, tx, incident, _command(alert_id, verb, eta, via))


#: What somebody has been asked about, and answers.
Asked = type[tables.Alert] | type[tables.FollowUp]


def _answer_to(engine: Engine, table: Asked, row_id: UUID, command: life.Command, then: Then | None) -> Incident:
    with engine.store.transaction() as tx:
        incident = _decided(engine, tx, incidents.lock(tx, _incident_of(tx, table, row_id)), command)
        if then:
            then(tx, incident)
        return incident


def _incident_of(tx: Transaction, table: Asked, row_id: UUID) -> UUID:
    """Whose incident the row belongs to, without keeping the row: it is read again under the incident's lock."""
    incident_id = tx.session.exec(select(table.incident_id).where(table.id == row_id)).first()
    if incident_id is None:
        raise NotFound(f"there is no {table.__tablename__} {row_id}".replace("_", "-"))
    return incident_id


# --- resolution → follow-up ------------------------------------------------------------------------------
def _open_follow_ups(engine: Engine, tx: Transaction, incident: Incident) -> life.OpenFollowUps:
    """Promise the calls of the protocol; the one that is due first has its social worker at once."""
    off = _off_duty(tx, incident, _on_duty_now(engine, tx, [incident]))
    calls = [
        (uuid4(), plan, callers.responsible(tx, incident, plan, off) if is_asked_at_once(plan) else None)
        for plan in incident.policy.follow_ups
    ]
    return life.OpenFollowUps(tuple(calls), engine.calling_hours)


def _mind_follow_up(engine: Engine, tx: Transaction, incident: Incident, deadline: life.Deadline) -> life.MindFollowUp:
    """Whoever is responsible now is looked up anew: of those who were, some have left, and some are on leave."""
    follow_up = incident.follow_up(UUID(deadline.subject))
    if _supervises(tx, follow_up.responder_id):  # nobody else has it now
        return life.MindFollowUp(deadline, follow_up.responder_id, engine.calling_hours)
    known = [follow_up.responder_id, *(other.responder_id for other in incident.follow_ups)]
    off = _off_duty(tx, incident, _on_duty_now(engine, tx, [incident]))
    caller = callers.responsible(tx, incident, follow_up.plan, off, known)
    return life.MindFollowUp(deadline, caller, engine.calling_hours)


def report_follow_up(
    engine: Engine,
    follow_up_id: UUID,
    outcome: Outcome,
    *,
    via: str,
    attempt: int | None = None,
    then: Then | None = None,
) -> Incident:
    """A social worker says how the call went, or a team how the visit did.

    `attempt` is the try, from 1, for which the card was sent that says so: two taps on one card are one try.
    """
    command = life.ReportFollowUp(follow_up_id, outcome, via, engine.calling_hours, attempt)
    return _answer_to(engine, tables.FollowUp, follow_up_id, command, then)


def move_follow_up(engine: Engine, follow_up_id: UUID, at: datetime, *, via: str, then: Then | None = None) -> Incident:
    """The call is asked for again at this time (UTC), which suits the victim."""
    command = life.MoveFollowUp(follow_up_id, at, via, engine.calling_hours)
    return _answer_to(engine, tables.FollowUp, follow_up_id, command, then)


def take_follow_up(engine: Engine, follow_up_id: UUID, by: UUID, *, via: str, then: Then | None = None) -> Incident:
    """A supervisor, by their responder id, sees to a follow-up that is overdue.  Refused where they are none."""
    with engine.store.transaction() as tx:
        if not _supervises(tx, by):
            raise Refused("only a supervisor or the national desk takes a follow-up over")
    command = life.TakeFollowUp(follow_up_id, by, via, engine.calling_hours)
    return _answer_to(engine, tables.FollowUp, follow_up_id, command, then)


def _supervises(tx: Transaction, responder_id: UUID | None) -> bool:
    row = tx.session.get(tables.Responder, responder_id) if responder_id else None
    return row is not None and row.role in NATIONAL_ROLES and reach.is_at_work(row, tx.now)


def name_service(engine: Engine, follow_up_id: UUID, service: str, *, via: str, then: Then | None = None) -> Incident:
    """Which service is needed, or which agency goes on; also of an incident that is closed by now."""
    return _answer_to(engine, tables.FollowUp, follow_up_id, life.NameService(follow_up_id, service, via), then)


# --- what reporters and operators add --------------------------------------------------------------------
def correct_location(
    engine: Engine,
    tx: Transaction,
    incident_id: UUID,
    location: Location,
    *,
    source: Source | None = None,
    reporter: bytes | None = None,
) -> bool:
    """A place came after the report, and the incident is decided anew where it is another or a better one.

    `source` None: the reporter says so; their report, found by the index of their phone or LINE account, keeps the
    words that count, for a geocoder too.  True where the incident is at that place now; false where it is over, the
    place means nothing, or it only confirms or contradicts what is known.
    """
    incident, pin = incidents.lock(tx, incident_id), _pin(location)
    is_talk = source is None and pin is None and incident.place is not None and incident.place.is_sure
    found = None if is_talk else _answer(incident.place, location, _found(location, source))
    if found is None or (incident.state, life.Locate) not in life.TRANSITIONS:
        return False
    try:
        # A pin that nobody can place is worth less than the words beside it.
        point = None if found.source == "text" else pin
        after = _relocate(engine, tx, incident, found, point, is_reporter=source is None)
    except AlreadyRecorded:
        return False
    if after and found.source == "text":
        _keep_address(tx, incident_id, location.address, reporter)
        _refine_soon(engine, tx, after)
    return after is not None


def _keep_address(tx: Transaction, incident_id: UUID, words: str | None, reporter: bytes | None) -> None:
    """Beside those that the reporter gave before: a house and then its district are one address."""
    for report in incidents.reports(tx, incident_id):
        if reporter and reporter in {report.phone_index, report.line_index}:
            location = report.details["location"]
            address = " ".join(filter(None, (location["address"], words)))
            report.details = {**report.details, "location": {**location, "address": address}}


def _answer(place: Place | None, location: Location, found: Place | None) -> Place | None:
    """What the words mean where they answer which district of a province it is: elsewhere others bear its name."""
    if not location.address or place is None or place.is_sure or len(place.candidates) > 1 or (found and found.is_sure):
        return found
    named = _looked_up(geo.find, f"อ.{location.address} จ.{place.province.name_th}")
    return named if named and named.is_sure and named.district in place.districts else found


def _relocate(
    engine: Engine,
    tx: Transaction,
    incident: Incident,
    found: Place,
    pin: Pin | None,
    *,
    is_reporter: bool = False,
    by: str = "",
) -> Incident | None:
    """Decide about the place that was found; None where the incident stays where it was."""
    before = incident.place
    place = settled(before, found) if before else found
    if pin is None and before and (before.province, before.district) == (place.province, place.district):
        pin = incident.pin
    stays = before is not None and not overrules(place, before)
    if before and stays:
        place, pin = together(before, found), incident.pin
    elif before and is_reporter and life.is_elsewhere(incident, replace(incident, place=place, pin=pin)):
        # One of several witnesses does not draw everybody away from the others.
        stays = len(incidents.reports(tx, incident.id)) > 1
        if stays:
            place, pin = replace(before, contradicted_by=found.province), incident.pin
    decision = decide(incident, life.Locate(place, pin, outside=_outside(tx, incident, place), by=by), tx.now)
    _finish(engine, tx, decision)
    return None if stays else decision.incident


def _outside(tx: Transaction, incident: Incident, place: Place) -> frozenset[str]:
    """The tracks whose holder serves another area than where the place is."""
    holders = {track.name: incident.alert(track.holder).responder_id for track in incident.tracks if track.holder}
    here = (place.district or place.province).code
    query = select(tables.Jurisdiction.responder_id, tables.Jurisdiction.area_code)
    served = (
        tx.session.exec(query.where(col(tables.Jurisdiction.responder_id).in_(holders.values()))) if holders else ()
    )
    # Whoever serves a part of the district may serve the place.
    inside = {who for who, code in served if code == NATION or here.startswith(code) or code.startswith(here)}
    return frozenset(track for track, responder_id in holders.items() if responder_id not in inside)


def locate_by_operator(engine: Engine, incident_id: UUID, location: Location, *, by: str) -> Incident:
    """An operator says where it is; Refused where nobody can tell what that means."""
    found = _found(location)
    if found is None:
        raise Refused("no place in Thailand is known by that: give a pin, or the district and the province")
    if not found.is_sure:
        options = ", ".join(address(*option) for option in found.options)
        raise Refused(f"these words fit more than one place: give a pin, or say which is meant, such as {options}")
    found = replace(found, source="operator")
    with engine.store.transaction() as tx:
        incident = incidents.lock(tx, incident_id)
        return _relocate(engine, tx, incident, found, _pin(location), by=by) or incident


def keep_words(engine: Engine, tx: Transaction, incident_id: UUID, words: str, *, who: bytes) -> None:
    """What a reporter wrote belongs to their report; whoever has taken the incident reads it at once.

    `who` is the keyed hash of their LINE id or phone.
    """
    goes_on = incidents.lock_surviving(tx, incident_id).id
    report = accounts.of_whom(incidents.reports(tx, goes_on), who)
    tx.session.add(tables.Note(incident_id=goes_on, report_id=report.id if report else None, text=words, at=tx.now))
    tx.session.flush()
    hear_reporter(engine, tx, goes_on, life.ReporterWord.WROTE, words)


def hear_reporter(
    engine: Engine, tx: Transaction, incident_id: UUID, word: life.ReporterWord, words: str | None = None
) -> None:
    """The reporter said how they are, or wrote: whoever works on the incident is told, and the supervisors."""
    incident = incidents.lock_surviving(tx, incident_id)
    _decided(engine, tx, incident, life.HearReporter(word, words))


def cancel_incident(engine: Engine, incident_id: UUID, *, by: str, reason: str) -> Incident:
    """Nobody is needed: everybody is stood down."""
    return _operate(engine, incident_id, lambda _: life.Cancel(by, reason))


def close_incident(engine: Engine, incident_id: UUID, *, by: str, reason: str, false_report: bool = False) -> Incident:
    """The record is complete, whatever is still open; a false report flags the next one of the same person."""

    def command(tx: Transaction) -> life.Command:
        tx.loaded[incident_id].incident.false_report = false_report
        return life.Close(by, reason, false_report)

    return _operate(engine, incident_id, command)


def escalate_incident(engine: Engine, incident_id: UUID, *, by: str, track: str | None) -> Incident:
    """Begin the next step of a track (of the lead track by default) without waiting for its deadline."""
    return _operate(engine, incident_id, lambda _: life.Escalate(by, track))


def assign_incident(engine: Engine, incident_id: UUID, ref: str, *, by: str) -> Incident:
    """Alert one responder by their number in the roster."""

    return _operate(engine, incident_id, lambda tx: life.Assign(by, _named(tx, ref)))


def _named(tx: Transaction, ref: str) -> life.Chosen:
    row = tx.session.exec(select(tables.Responder).where(tables.Responder.ref == ref)).one_or_none()
    if row is None or not row.active:
        raise NotFound(f"no active responder has the number {ref}: look it up in the roster")
    return life.Chosen(uuid4(), row.id, Role(row.role))


def hand_over(engine: Engine, alert_id: UUID, ref: str, *, by: str) -> Incident:
    """Give the track of whoever has this alert to another responder, by their number in the roster."""
    with engine.store.transaction() as tx:
        incident_id = _incident_of(tx, tables.Alert, alert_id)
    return _operate(engine, incident_id, lambda tx: life.HandOver(by, alert_id, _named(tx, ref)))


def merge_incident(engine: Engine, incident_id: UUID, into_id: UUID, *, by: str) -> Incident:
    """Let another incident go on for both; the reports and their reporters go with it."""
    with engine.store.transaction() as tx:
        # In one order everywhere, so that two who merge crosswise do not wait for each other.
        found = {each: incidents.lock(tx, each) for each in sorted({incident_id, into_id})}
        into = found[into_id]
        if not into.is_open:
            raise Refused(f"incident {into.code} is {into.state}: merge into one that is open")
        merged = decide(found[incident_id], life.Merge(by, into_id, into.code), tx.now)
        reports = incidents.reports(tx, incident_id)
        for report in reports:
            report.incident_id = into_id
        tx.loaded[incident_id].reports = []  # they are the other's now
        tx.session.get_one(tables.Incident, incident_id).merged_into = into_id
        _finish(engine, tx, merged)
        words = "\n".join([*accounts.addresses(reports), *accounts.words(reports, accounts.notes(tx, incident_id))])
        accounts.move_all(tx, incident_id, into_id)
        joined = life.Join(tuple(report.id for report in reports), words, merged_from=incident_id, by=by)
        _finish(engine, tx, decide(into, joined, tx.now))
        return merged.incident


def split_incident(engine: Engine, incident_id: UUID, report_ids: Sequence[UUID], *, by: str) -> Incident:
    """Begin an incident of their own for some of the reports, also of one that is over; the others stay."""
    with engine.store.transaction() as tx:
        chats = _lock_chats(tx, report_ids)  # before the incident, as whoever writes in one does
        incident = incidents.lock(tx, incident_id)
        reports = incidents.reports(tx, incident_id)
        going = [report for report in reports if report.id in set(report_ids)]
        if len(going) < len(set(report_ids)):
            raise NotFound(f"not all of these are reports of incident {incident.code}: look them up in its `reports`")
        if not going or len(going) == len(reports):
            raise Refused(
                f"incident {incident.code} has {len(reports)} reports: name some of them, and leave at least one"
            )
        locations = [Location(**report.details["location"]) for report in going]
        decision = receive(
            uuid4(),
            _begin(tx),
            incident.type,
            engine.policies[incident.type],
            has_place=not all(location.is_empty for location in locations),
            now=tx.now,
            pin=next(filter(None, map(_pin, locations)), None),
        )
        begun = decision.incident
        incidents.create(tx, decision, drill=tx.loaded[incident_id].incident.drill)
        for report in going:
            report.incident_id = begun.id
        tx.loaded[begun.id].reports = going
        tx.loaded[incident_id].reports = [report for report in reports if report not in going]
        for chat in chats:
            if chat.incident_id and incidents.surviving(tx, chat.incident_id) == incident_id:
                chat.incident_id = begun.id
        tx.session.flush()
        accounts.move_with(tx, going, incident_id, begun.id)
        incidents.note(tx, incident_id, life.Fact("split", {"into_id": begun.id, "into_code": begun.code, "by": by}))
        incidents.note(tx, begun.id, life.Fact("split_off", {"from_id": incident_id, "from_code": incident.code}))
        _finish(engine, tx, decision)
        return begun


def _lock_chats(tx: Transaction, report_ids: Sequence[UUID]) -> Sequence[tables.Chat]:
    """The chats in which these reports were made, locked."""
    reports = tx.session.exec(select(tables.Report).where(col(tables.Report.id).in_(report_ids)))
    users = [tx.vault.index(report.details["line_user_id"]) for report in reports if report.details.get("line_user_id")]
    query = select(tables.Chat).where(col(tables.Chat.id).in_(users)).order_by(col(tables.Chat.id))
    return tx.session.exec(query.with_for_update()).all()


def take_in_hand(engine: Engine, incident_id: UUID) -> Incident:
    """Repair an incident that the audit found in nobody's hand."""
    return _operate(engine, incident_id, lambda _: life.TakeInHand())


def _operate(engine: Engine, incident_id: UUID, command: Callable[[Transaction], life.Command]) -> Incident:
    with engine.store.transaction() as tx:
        incident = incidents.lock(tx, incident_id)
        return _decided(engine, tx, incident, command(tx))
