"""What must hold after a run: pure checks over the evidence, each of which returns the violations that it found.

Who was reached and what was said to whom is judged by the simulator's ledger, never by what the engine says
that it sent.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from chaos.acknowledgements import acknowledgements_lost, holders
from chaos.evidence import Entry, Evidence
from chaos.lateness import OVERDUE_AFTER, excess, expired_steps, outages
from chaos.phones import PublishedReport
from chaos.schedule import Break
from config.settings import HERE
from ess.conversation.answer import Verb
from ess.conversation.texts import Texts
from ess.domain.incident import ENDED, TAKEN, DeadlineKind
from ess.simulator import taps
from ess.store import tables
from ess.store.tables import DeliveryState

_THANKS = Texts(HERE / "messages", "th").word("voice", Verb.ACCEPT)
_FORGETS = {Break.FLUSH, Break.REDIS_FORGETS}
#: A worker that dies with a message gives it back after 30 s; PostgreSQL may be away just then.
_GIVEN_WITHIN = timedelta(seconds=60)
#: Redis writes its file every second, on a busy machine a little later.
_WRITTEN_WITHIN = timedelta(seconds=3)

_FINAL = {DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED}
_ENDED = {str(state) for state in ENDED}
_TAKEN = {str(state) for state in TAKEN}


def violations(evidence: Evidence) -> list[str]:
    """Everything that should not be so; empty where every promise was kept."""
    return [f"{check.__name__}: {found}" for check in CHECKS for found in check(evidence)]


def mishaps(evidence: Evidence) -> Iterator[str]:
    """No program ended by itself, every call was answered as it should be, and at last all was quiet."""
    yield from evidence.mishaps


def reports_kept(evidence: Evidence) -> Iterator[str]:
    """What was answered with 202 is one report, and the answer names it and its incident."""
    by_key: defaultdict[str, list[tables.Report]] = defaultdict(list)
    by_citizen: Counter[str] = Counter()
    for report in evidence.reports:
        by_key[report.idempotency_key].append(report)
        by_citizen[report.details.get("line_user_id") or ""] += 1
    for promised in evidence.promises.reports:
        kept = by_key[promised.key]
        # A merge moves the report: then the incident of the answer says where it went.
        answered = evidence.incident_of.get(UUID(promised.incident_id))
        homes = {answered.id, answered.merged_into} if answered else set()
        if [str(report.id) for report in kept] != [promised.report_id]:
            yield f"{promised.key} was answered with report {promised.report_id}, and there are {len(kept)} rows of it"
        elif answered is None or (answered.merged_into is None and kept[0].incident_id not in homes):
            yield f"{promised.key} was answered with incident {promised.incident_id}; it is in {kept[0].incident_id}"
    for task in evidence.promises.tasks:
        n_kept = len(by_key[task.key])
        if n_kept > 1 or (n_kept == 0 and not _is_forgotten(evidence, task)):
            yield f"{task.key} was published at {task.at}, and there are {n_kept} rows of it"
    for citizen in evidence.promises.citizens:
        if by_citizen[citizen] != 1:
            yield f"{citizen} chose a type and shared a pin, and {by_citizen[citizen]} reports came of it"


def tasks_forgotten(evidence: Evidence) -> int:
    """How many reports by task have no row, because Redis forgot them before a worker had them (ADR 1)."""
    kept = {report.idempotency_key for report in evidence.reports}
    return sum(task.key not in kept for task in evidence.promises.tasks)


def _is_forgotten(evidence: Evidence, task: PublishedReport) -> bool:
    """Whether Redis lost what it had, or its last second, after it had taken this and before it had given it away."""
    for broken in evidence.disturbances:
        if broken.what in _FORGETS and broken.began_at - _GIVEN_WITHIN <= task.at <= broken.mended_at:
            return True
        if broken.what is Break.REDIS and broken.began_at - _WRITTEN_WITHIN <= task.at <= broken.mended_at:
            return True
    return False


def incidents_in_hand(evidence: Evidence) -> Iterator[str]:
    """Every report is in an incident that is closed, owned by a person, or has a deadline that is still to come."""
    due: defaultdict[UUID | None, list[datetime]] = defaultdict(list)
    for deadline in evidence.deadlines:
        if deadline.kind in set(DeadlineKind):
            due[deadline.incident_id].append(deadline.due_at)
    for report in evidence.reports:
        incident = evidence.incident_of.get(report.incident_id)
        if incident is None:
            yield f"report {report.id} is in no incident"
            continue
        held = incident.state != "resolved" and any(track["holder"] for track in incident.tracks)
        if incident.state not in _ENDED and not held and not any(at > evidence.at for at in due[incident.id]):
            yield f"incident {incident.code} is {incident.state}, nobody has it and nothing is due: {due[incident.id]}"


def everybody_reached(evidence: Evidence) -> Iterator[str]:
    """Each alert lit up on a phone of its responder, or the timeline says why each attempt came to nothing."""
    shown_keys, shown_texts = set(), set()
    for entry in evidence.ledger:
        if entry["shown"] and entry["kind"] in {"push", "sms", "call"}:
            shown_keys |= {entry["retry_key"], entry["sid"], _called_for(entry)} - {None}
            shown_texts.add((entry["person"], entry["text"]))
    by_alert: defaultdict[UUID | None, list[tables.Delivery]] = defaultdict(list)
    for delivery in evidence.deliveries:
        if delivery.message == "alert":
            by_alert[delivery.alert_id].append(delivery)
    excused = {fact.data["delivery_id"] for fact in evidence.told("delivery_failed", "delivery_expired")}
    for alert in evidence.alerts:
        attempts = by_alert[alert.id]
        if any({str(it.id), it.provider_ref} & shown_keys or _said(it) in shown_texts for it in attempts):
            continue
        silent = [attempt for attempt in attempts if str(attempt.id) not in excused]
        if not attempts or silent:
            yield f"{_name(evidence, alert)} saw nothing, and nobody says why: {[_told(found) for found in silent]}"


def chosen_are_asked(evidence: Evidence) -> Iterator[str]:
    """Whoever was chosen for a step has an alert for it, and a delivery for each time that they were asked.

    Once is enough for two askings where the timeline says that the first still waited to be sent.
    """
    asked = Counter(
        (fact.incident_id, fact.data["responder_id"], fact.data["track"])
        for fact in evidence.told("alerted", "alerted_again")
    )
    for fact in evidence.told("responders_selected"):
        for chosen in fact.data["chosen"]:
            if not asked[fact.incident_id, chosen["responder_id"], fact.data["track"]]:
                yield f"{evidence.incident_of[fact.incident_id].code}: {chosen} was chosen and never asked"
    wanted = Counter(UUID(fact.data["alert_id"]) for fact in evidence.told("alerted", "alerted_again"))
    wanted.subtract(UUID(fact.data["alert_id"]) for fact in evidence.told("alert_waits"))
    made = Counter(delivery.alert_id for delivery in evidence.deliveries if delivery.message == "alert")
    for alert in evidence.alerts:
        if made[alert.id] < wanted[alert.id]:
            yield f"{_name(evidence, alert)} was to be asked {wanted[alert.id]} times: {made[alert.id]} deliveries"


def line_said_once(evidence: Evidence) -> Iterator[str]:
    """No phone shows the same LINE message more often than it was to be said."""
    # An alarm about the engine itself goes out without a row, because rows may be what fails: it is not judged.
    wanted: Counter[tuple[str, str]] = Counter()
    for found in evidence.deliveries:
        if found.channel == "line":
            wanted[_said(found)] += min(1, found.attempt)
    shown: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in evidence.ledger:
        if entry["provider"] == "line" and entry["shown"] and entry["kind"] in {"push", "reply"}:
            shown[entry["person"], _words(entry)].append(entry)
    for said, entries in shown.items():
        if said in wanted and len(entries) > wanted[said]:
            how = [(entry["seq"], entry["kind"], entry["at"], entry["retry_key"]) for entry in entries]
            rows = [_told(found) for found in evidence.deliveries if _said(found) == said]
            yield f"{said[0]} saw {said[1]!r} {len(entries)} times for {wanted[said]} deliveries: {how}, rows {rows}"


def sms_doubled(evidence: Evidence) -> tuple[int, list[str]]:
    """How many SMS came twice because an outcome was unknown, and those that came twice without a doubt."""
    rows: defaultdict[tuple[str, str], list[tables.Delivery]] = defaultdict(list)
    for delivery in evidence.deliveries:
        if delivery.channel == "sms":
            rows[_said(delivery)].append(delivery)
    taken = Counter(
        (entry["person"], entry["text"])
        for entry in evidence.ledger
        if entry["kind"] == "sms" and entry["status"] == 201
    )
    n_doubtful, wrong = 0, []
    for said, n_taken in taken.items():
        tried = [delivery for delivery in rows[said] if delivery.attempt]
        extra = n_taken - len(tried)
        if not rows[said] or extra <= 0:  # an alarm about the engine itself goes out without a row
            continue
        doubtful = sum(delivery.attempt - 1 for delivery in tried if delivery.doubtful_since)
        if extra > doubtful:
            wrong.append(f"{said[0]} was sent {said[1]!r} {n_taken} times: {[_told(found) for found in rows[said]]}")
        else:
            n_doubtful += extra
    return n_doubtful, wrong


def sms_said_once(evidence: Evidence) -> Iterator[str]:
    """A second SMS with the same words only where the outcome of the first was unknown."""
    yield from sms_doubled(evidence)[1]


def calls_rung_once(evidence: Evidence) -> Iterator[str]:
    """A phone rings once for a call that was to be made, and again only where an outcome was unknown."""
    rang = Counter(_called_for(entry) for entry in evidence.ledger if entry["kind"] == "call" and entry["shown"])
    calls = {str(found.id): found for found in evidence.deliveries if found.channel == "voice"}
    for delivery_id, times in rang.items():
        call = calls.get(delivery_id)
        doubtful = max(0, call.attempt - 1) if call and call.doubtful_since else 0
        if call is None or times > min(1, call.attempt) + doubtful:
            yield f"a phone rang {times} times for {_told(call) if call else delivery_id}"


def digits_recorded(evidence: Evidence) -> Iterator[str]:
    """Whoever heard in a call that they have it stands so in the timeline."""
    phone_of = {str(responder.id): responder.phone for responder in evidence.responders}
    thanked = Counter(
        entry["person"] for entry in evidence.ledger if entry["kind"] == "spoken" and _THANKS in entry["text"]
    )
    recorded = Counter(
        phone_of[fact.data["responder_id"]] for fact in evidence.told("accepted") if fact.data.get("via") == "voice"
    )
    for phone, times in thanked.items():
        if times > recorded[phone]:
            yield f"{phone} was thanked {times} times in calls, and {recorded[phone]} acceptances are recorded"


def one_holder(evidence: Evidence) -> Iterator[str]:
    """Nobody takes a track while somebody else has it, and the rows agree with the timeline."""
    for incident in evidence.incidents:
        for track in incident.tracks:
            roles = evidence.acknowledging_roles(incident, track["name"])
            taken = [
                alert
                for alert in evidence.alerts
                if alert.incident_id == incident.id and alert.track == track["name"] and alert.state in _TAKEN
            ]
            stopping = [alert for alert in taken if alert.role in roles and not alert.backup]
            if len(stopping) > 1:
                yield f"{incident.code} {track['name']}: held by {[_name(evidence, alert) for alert in stopping]}"
            over = incident.state in _ENDED or incident.state == "resolved"
            if not over and stopping and track["holder"] != str(stopping[0].id):
                yield f"{incident.code} {track['name']}: {_name(evidence, stopping[0])} has it, the row says {track}"
            yield from holders(evidence, incident, track["name"]).conflicts


def inbound_understood(evidence: Evidence) -> Iterator[str]:
    """What LINE and Twilio were thanked for was kept once and worked on."""
    thanked = {
        ("line:" if entry["provider"] == "line" else "sms:") + entry["sid"]
        for entry in evidence.ledger
        # What happens in a call is answered within it, and no row is kept of it.
        if entry["kind"] == "webhook" and entry["status"] == 200 and not entry["sid"].startswith("CA")
    }
    kept = {row.id: row for row in evidence.inbound}
    for event_id in sorted(thanked | set(evidence.promises.events)):
        if event_id not in kept:
            yield f"{event_id} was taken and is not there"
        elif kept[event_id].handled_at is None:
            yield f"{event_id} was taken at {kept[event_id].received_at} and not understood"


def deliveries_ended(evidence: Evidence) -> Iterator[str]:
    """Nothing waits to be sent, and what Twilio once called final stays."""
    for delivery in evidence.deliveries:
        if delivery.state not in _FINAL:
            yield f"still {delivery.state}: {_told(delivery)}"
    ends = Counter(fact.data["delivery_id"] for fact in evidence.told("delivery_delivered", "delivery_failed"))
    yield from (f"delivery {delivery_id} ended {times} times" for delivery_id, times in ends.items() if times > 1)


def steps_taken_once(evidence: Evidence) -> Iterator[str]:
    """A step of a track expires at most once."""
    expired = Counter(
        (fact.incident_id, fact.data["track"], fact.data["step"]) for fact in evidence.told("step_expired")
    )
    for (incident_id, track, step), times in expired.items():
        if times > 1:
            yield f"{evidence.incident_of[incident_id].code}: step {step} of {track} expired {times} times"


def steps_in_time(evidence: Evidence) -> Iterator[str]:
    """A step that nobody acknowledged is followed by the next in time, or soon after an outage."""
    known = outages(evidence)
    for fact in expired_steps(evidence):
        late = excess(fact, known)
        if late > OVERDUE_AFTER:
            code = evidence.incident_of[fact.incident_id].code
            yield f"{code}: {fact.data} expired at {fact.at}, {late / timedelta(seconds=1):.1f} s later than excused"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    mishaps,
    reports_kept,
    incidents_in_hand,
    everybody_reached,
    chosen_are_asked,
    line_said_once,
    sms_said_once,
    calls_rung_once,
    digits_recorded,
    acknowledgements_lost,
    one_holder,
    inbound_understood,
    deliveries_ended,
    steps_taken_once,
    steps_in_time,
)


def _called_for(entry: Entry) -> str | None:
    """The delivery that a call asks for when it is picked up, as its URL names it; None of everything else."""
    asked = parse_qs(urlsplit(entry["detail"].get("url", "")).query) if entry["kind"] == "call" else {}
    return asked.get("delivery", [None])[0]


def _words(entry: Entry) -> str:
    """A LINE message without its buttons, whose labels no delivery keeps."""
    parts = (part for message in entry["messages"] for part in taps.parts(message))
    return "\n".join(part.text for part in parts if part.text and not part.button)


def _said(delivery: tables.Delivery) -> tuple[str, str]:
    """To whom, and which words; as `_words` and the text of an SMS have them."""
    parts = []
    for message in delivery.envelope["messages"]:
        # the paragraphs of a bubble stand one below the other
        parts.append(message["text"].replace("\n\n", "\n") if message.get("alt") else message["text"])
        if delivery.channel == "line" and message["prompt"] is not None:
            parts.append(message["prompt"])
    return delivery.envelope["to"], "\n".join(parts)


def _told(delivery: tables.Delivery) -> str:
    doubt = f", doubtful since {delivery.doubtful_since}" if delivery.doubtful_since else ""
    return (
        f"{delivery.message} by {delivery.channel} {delivery.id}, {delivery.state} after attempt {delivery.attempt}"
        f"{', with reply token' if delivery.reply_token else ''}{doubt} ({delivery.error})"
    )


def _name(evidence: Evidence, alert: tables.Alert) -> str:
    incident, responder = evidence.incident_of[alert.incident_id], evidence.responder_of[alert.responder_id]
    return f"{responder.ref} ({incident.code}, {alert.track} step {alert.step}, {alert.state}, alert {alert.id})"
