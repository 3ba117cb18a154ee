"""One decision in the making, and the moves that several decisions are made of.

Whatever only one file needs stands there, as a function that is given the turn.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from ess.domain.duty import NATIONAL_ROLES
from ess.domain.follow_up import FollowUp
from ess.domain.incident.decision import AskResponder, Decision, Effect, Fact, Inform, TellResponder
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


class Turn:
    """The incident as it changes, the facts and the effects so far."""

    def __init__(self, incident: Incident, now: datetime) -> None:
        #: As it stands at this point of the decision.
        self.incident = incident
        #: When it is decided (UTC).
        self.now = now
        self._facts: list[Fact] = []
        self._effects: list[Effect] = []

    def decision(self) -> Decision:
        """What the turn has come to."""
        return Decision(self.incident, tuple(self._facts), tuple(self._effects))

    def become(self, state: State) -> None:
        """The incident stands there from now on; `decide` checks it against the table."""
        self.incident = replace(self.incident, state=state)

    def note(self, name: str, **data: Any) -> None:
        """One more fact for the timeline; no personal data."""
        self._facts.append(Fact(name, data))

    def do(self, effect: Effect) -> None:
        """One more effect; the shell carries them out in this order."""
        self._effects.append(effect)

    def promise(self, kind: DeadlineKind, due_at: datetime, subject: str = "") -> None:
        """One deadline of a kind for a subject: a new one takes the place of the old."""
        self.forget(subject, kind)
        deadlines = self.incident.deadlines | {Deadline(due_at, kind, subject)}
        self.incident = replace(self.incident, deadlines=deadlines)

    def forget(self, subject: str, *kinds: DeadlineKind) -> None:
        """Drop the subject's deadlines of these kinds, or all of them."""
        kept = frozenset(
            deadline
            for deadline in self.incident.deadlines
            if deadline.subject != subject or (kinds and deadline.kind not in kinds)
        )
        self.incident = replace(self.incident, deadlines=kept)

    def forget_all(self) -> None:
        """Drop every deadline: nothing is promised any more."""
        self.incident = replace(self.incident, deadlines=frozenset())

    def put(self, item: Track | Alert | FollowUp) -> None:
        """Add it, or let it take the place of the one with the same name or id."""
        match item:
            case Track():
                tracks = tuple(item if track.name == item.name else track for track in self.incident.tracks)
                self.incident = replace(self.incident, tracks=tracks)
            case Alert():
                self.incident = replace(self.incident, alerts=_with(self.incident.alerts, item))
            case FollowUp():
                self.incident = replace(self.incident, follow_ups=_with(self.incident.follow_ups, item))

    def ask_step(self, track: Track, step: int) -> None:
        """Begin a step of a track: its responders are to be chosen now.

        One past the last step is the last resort, and the track is unanswered from then on.
        """
        n_steps = len(self.incident.policy.track(track.name).steps)
        self.forget(track.name)
        # Who was asked as backup is asked like anybody else now that nobody has the track.
        track = replace(track, holder=None, backup=0, backup_wanted=False, next_holder=None)
        for alert in self.incident.alerts:
            if alert.track == track.name and alert.backup:
                self.put(replace(alert, backup=False))
        if step > n_steps:
            self._run_out(replace(track, state=TrackState.UNANSWERED, step=n_steps + 1))
        else:
            self.put(replace(track, state=TrackState.ALERTING, step=step))
        self.promise(DeadlineKind.SELECT, self.now, track.name)

    def ask_last_resort(self) -> None:
        """The lead track has run out, whatever its step."""
        self.ask_step(self.incident.lead, len(self.incident.policy.lead.steps) + 1)

    def _run_out(self, track: Track) -> None:
        """The track has no more steps; of the lead track, nobody answers for the incident."""
        self.put(track)
        self.note("unanswered", track=track.name)
        # Who took it before there was anybody to send is asked once more, now that nobody came.
        for alert in self.incident.alerts_of(track.name, *TAKEN):
            if alert.role in NATIONAL_ROLES:
                self.put(replace(alert, state=AlertState.OPEN))
        if self.incident.is_lead(track.name):
            self.become(State.UNANSWERED)

    def ask_backup(self, track: Track) -> None:
        """Begin a ring: the next step's responders are to be chosen now, beside whoever has the track.

        Past the last step the last resort is asked; those who were stood down are asked once more.
        """
        n_steps = len(self.incident.policy.track(track.name).steps)
        track = replace(track, backup=min(max(track.step, track.backup), n_steps) + 1)
        self.put(track)
        self.note("backup_called", track=track.name, step=track.backup)
        self.ask_stood_down(track, backup=True)
        self.promise(DeadlineKind.SELECT, self.now, track.name)

    def ask_stood_down(self, track: Track, *, backup: bool = False) -> None:
        """Those who were stood down are needed after all, as far as they are still at work."""
        for alert in self.incident.alerts_of(track.name, AlertState.STOOD_DOWN):
            if alert.role in NATIONAL_ROLES:
                continue  # these are asked when nobody else is left
            if alert.is_away:
                about = {"alert_id": alert.id, "responder_id": alert.responder_id, "track": track.name}
                self.note("not_asked_again", **about)
            else:
                self.ask_again(replace(alert, backup=backup))

    def ask_again(self, alert: Alert) -> None:
        """Alert somebody once more who has the alert already."""
        self.put(replace(alert, state=AlertState.OPEN))
        self.do(AskResponder(alert.id, again=True, reminds=alert.state is AlertState.OPEN))
        self.note("alerted_again", alert_id=alert.id, responder_id=alert.responder_id, track=alert.track)

    def stand_down(self, alerts: Iterable[Alert], message: str, holder: UUID | None = None, into: str = "") -> None:
        """Tell these that nothing more is needed from them, and who has it where somebody does."""
        for alert in alerts:
            self.put(replace(alert, state=AlertState.STOOD_DOWN))
            self.do(TellResponder(alert.id, message, holder, into))
            self.note("stood_down", alert_id=alert.id, responder_id=alert.responder_id)

    def inform(self) -> None:
        """Whoever is only informed hears of it, once in each province; never before somebody was alerted (ADR 16)."""
        place, lead = self.incident.place, self.incident.lead
        if place is None or not self.incident.policy.informed or not self.incident.alerts:
            return
        if lead.informed != place.province.code:
            self.put(replace(lead, informed=place.province.code))
            self.do(Inform(place.province.code))


def _with(items: tuple[Any, ...], item: Any) -> tuple[Any, ...]:
    if any(other.id == item.id for other in items):
        return tuple(item if other.id == item.id else other for other in items)
    return (*items, item)
