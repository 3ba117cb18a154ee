"""Who is asked: one step of a track after another, each until it was waited long enough.

A ring of backup is chosen and waited for as a step is, beside whoever has the track.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ess.domain.duty import NATIONAL_ROLES, Role
from ess.domain.errors import AlreadyRecorded, Refused
from ess.domain.incident.deadline import passes
from ess.domain.incident.decision import AskResponder
from ess.domain.incident.rule import decides, decides_nothing
from ess.domain.incident.state import (
    TAKEN,
    Alert,
    AlertState,
    Deadline,
    DeadlineKind,
    Incident,
    State,
    Track,
    TrackState,
)
from ess.domain.incident.turn import Turn
from ess.domain.reason import Reason, Rest, told


@dataclass(frozen=True)
class Chosen:
    """A responder picked for a step, with the id that a new alert will have."""

    alert_id: UUID
    responder_id: UUID
    role: Role
    reason: Reason = ()
    #: At the place of another incident, and asked because nobody is free.
    on_scene: bool = False


def ask(turn: Turn, track: Track, chosen: Chosen) -> None:
    """Alert somebody who has heard nothing of it yet; beside the holder, where the track has one."""
    is_held = track.state is TrackState.ACKNOWLEDGED
    step = track.asking or track.step  # a unit that is handed the track is asked before any backup
    alert = Alert(chosen.alert_id, chosen.responder_id, chosen.role, track.name, step, backup=is_held)
    turn.put(alert)
    turn.do(AskResponder(alert.id))
    turn.note("alerted", alert_id=alert.id, responder_id=alert.responder_id, track=alert.track, step=alert.step)


@dataclass(frozen=True)
class AlertResponders:
    """The choice that a `SELECT` deadline asked for; an empty one goes on to the next step at once."""

    deadline: Deadline
    #: The step that it was made for.
    step: int
    chosen: tuple[Chosen, ...]
    #: For the timeline: candidates that were passed over, each with the reason …
    passed_over: tuple[Mapping[str, Any], ...] = ()
    #: … and how many more there were, and why none of them.
    rest: tuple[Rest, ...] = ()


@decides(
    AlertResponders,
    {
        State.LOCATED: {State.LOCATED, State.ALERTING, State.UNANSWERED},
        State.ALERTING: {State.ALERTING, State.UNANSWERED},
        State.UNANSWERED: {State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED},
        State.ON_SCENE: {State.ON_SCENE},
    },
    repeated=decides_nothing,
)
def _alert_responders(turn: Turn, command: AlertResponders) -> None:
    incident = turn.incident
    track = incident.track(command.deadline.subject)
    if command.deadline not in incident.deadlines or command.step != track.asking:
        raise AlreadyRecorded(f"step {command.step} of {track.name} was chosen or passed before")
    before = {alert.responder_id: alert for alert in incident.alerts if alert.track == track.name}
    fresh = _fresh(incident, track, command.chosen, before)
    is_held = track.state is TrackState.ACKNOWLEDGED
    turn.forget(track.name, DeadlineKind.SELECT)
    turn.note(
        "responders_selected",
        track=track.name,
        step=track.asking,
        chosen=[{"responder_id": chosen.responder_id, "reason": told(chosen.reason)} for chosen in fresh],
        passed_over=[dict(candidate) for candidate in command.passed_over],
        n_more=sum(rest.n for rest in command.rest),
        rest=[rest.to_json() for rest in command.rest],
    )
    for chosen in fresh:
        if chosen.responder_id in before:
            turn.ask_again(replace(before[chosen.responder_id], backup=is_held))
        else:
            ask(turn, track, chosen)
    if is_held:
        _wait_for_backup(turn, track, fresh)
    else:
        _wait_for_step(turn, track, fresh)
    if fresh and turn.incident.state is State.LOCATED:
        turn.become(State.ALERTING)
    turn.inform()


def _fresh(incident: Incident, track: Track, chosen: Iterable[Chosen], before: Mapping[UUID, Alert]) -> list[Chosen]:
    """Of the choice, whom to ask now; `before` is whoever the track has alerted, by responder."""
    fresh = [each for each in chosen if incident.asks_last_resort(track.name) or each.responder_id not in before]
    if track.state is TrackState.ACKNOWLEDGED:
        # Whoever has it, comes already, or is being asked is no more help than they are.
        busy = {who for who, alert in before.items() if alert.state in {AlertState.OPEN, *TAKEN}}
        return [each for each in fresh if each.responder_id not in busy]
    if incident.has_due(track.name, DeadlineKind.ACKNOWLEDGE):
        # The step goes on at a corrected place: whom it waits for has been asked, and who comes beside them is new.
        awaited = incident.policy.track(track.name).acknowledged_by
        return [each for each in fresh if each.role not in awaited]
    return fresh


def _wait_for_step(turn: Turn, track: Track, fresh: Iterable[Chosen]) -> None:
    """The step waits for whoever can answer for it, else the next one begins; the last resort is asked again."""
    incident = turn.incident
    if incident.asks_last_resort(track.name):
        turn.promise(DeadlineKind.SELECT, turn.now + incident.policy.last_resort.repeat, track.name)
    elif incident.has_due(track.name, DeadlineKind.ACKNOWLEDGE):
        return  # the wait began before the place was corrected
    elif _is_worth_waiting(incident, track, fresh):
        wait = incident.policy.track(track.name).steps[track.step - 1].wait
        turn.promise(DeadlineKind.ACKNOWLEDGE, turn.now + wait, track.name)
    else:
        turn.ask_step(track, track.step + 1)


def _wait_for_backup(turn: Turn, track: Track, fresh: Iterable[Chosen]) -> None:
    """After a ring the next one, unless somebody comes; after the last resort nobody is left."""
    incident = turn.incident
    if incident.asks_last_resort(track.name):
        return
    if not _is_worth_waiting(incident, track, fresh):
        turn.ask_backup(track)
    elif not incident.has_due(track.name, DeadlineKind.BACK_UP):  # else that is the wait
        wait = incident.policy.track(track.name).steps[track.backup - 1].wait
        turn.promise(DeadlineKind.ACKNOWLEDGE, turn.now + wait, track.name)


def _is_worth_waiting(incident: Incident, track: Track, chosen: Iterable[Chosen]) -> bool:
    """Whether the next step waits for one of these: volunteers, and who is on another scene, are welcome beside it."""
    return any(is_awaited(incident, track, each.role) and not each.on_scene for each in chosen)


def is_awaited(incident: Incident, track: Track, role: Role) -> bool:
    """Whether the step waits for this role: whoever stops the track, or a desk that the step itself asks."""
    policy = incident.policy.track(track.name)
    wanted = incident.policy.targets(track.name, track.asking)
    return role in policy.acknowledged_by or (role in NATIONAL_ROLES and any(target.role is role for target in wanted))


@passes(DeadlineKind.ACKNOWLEDGE)
def _wait_is_over(turn: Turn, deadline: Deadline) -> None:
    track = turn.incident.track(deadline.subject)
    if track.state is TrackState.ACKNOWLEDGED:
        turn.note("backup_expired", track=track.name, step=track.backup, due_at=deadline.due_at)
        turn.ask_backup(track)
    else:
        turn.note("step_expired", track=track.name, step=track.step, due_at=deadline.due_at)
        turn.ask_step(track, track.step + 1)


def go_on_if_nobody_waits(turn: Turn, track: Track) -> None:
    """A step whose every responder has said no needs no deadline: the next one begins at once."""
    open_alerts = turn.incident.alerts_of(track.name, AlertState.OPEN)
    waiting = any(alert.step == track.step and is_awaited(turn.incident, track, alert.role) for alert in open_alerts)
    choosing = turn.incident.has_due(track.name, DeadlineKind.SELECT)
    if track.state is TrackState.ALERTING and not waiting and not choosing:
        turn.ask_step(track, track.step + 1)


@dataclass(frozen=True)
class Escalate:
    """An operator does not want to wait for the deadline of a track's step."""

    by: str
    #: None: the lead track.
    track: str | None = None


@decides(
    Escalate,
    {
        State.LOCATED: {State.LOCATED, State.UNANSWERED},
        State.ALERTING: {State.ALERTING, State.UNANSWERED},
        State.UNANSWERED: {State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED},
        State.ON_SCENE: {State.ON_SCENE},
    },
)
def _escalate(turn: Turn, command: Escalate) -> None:
    incident = turn.incident
    track = incident.track(command.track or incident.policy.lead.name)
    if track.state is not TrackState.ALERTING:
        raise Refused(f"track {track.name} is {track.state}: there is no step to pass over")
    turn.note("escalated", track=track.name, step=track.step, by=command.by)
    turn.ask_step(track, track.step + 1)


@dataclass(frozen=True)
class Assign:
    """An operator asks one responder by name, in the lead track."""

    by: str
    chosen: Chosen


@decides(Assign, {State.ALERTING: {State.ALERTING}, State.UNANSWERED: {State.UNANSWERED}})
def _assign(turn: Turn, command: Assign) -> None:
    lead = turn.incident.lead
    for alert in turn.incident.alerts:
        if alert.track == lead.name and alert.responder_id == command.chosen.responder_id:
            if alert.state is AlertState.OPEN:
                raise AlreadyRecorded("that responder has been alerted already")
            if alert.state in TAKEN:
                raise AlreadyRecorded("that responder has accepted already")
            turn.note("assigned", alert_id=alert.id, responder_id=alert.responder_id, by=command.by)
            turn.ask_again(alert)
            return
    turn.note("assigned", alert_id=command.chosen.alert_id, responder_id=command.chosen.responder_id, by=command.by)
    ask(turn, lead, command.chosen)
