"""What reporters say: more of them tell of it, and how they are.  It stands nobody down."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ess.domain.incident.decision import PassOn, TellReporter, TellResponder, TellSupervisors
from ess.domain.incident.rule import decides
from ess.domain.incident.state import DANGER, ENDED, TAKEN, AlertState, DeadlineKind, Incident, State, TrackState
from ess.domain.incident.turn import Turn


@dataclass(frozen=True)
class Join:
    """More reports tell of it: a witness's, or those of an incident that was merged into it."""

    reports: tuple[UUID, ...]
    #: What they say more than that it happens.
    words: str = field(default="", repr=False)
    merged_from: UUID | None = None
    by: str = ""


@decides(Join, {state: {state} for state in State if state not in ENDED})
def _join(turn: Turn, command: Join) -> None:
    incident = turn.incident
    if command.merged_from:
        turn.note("absorbed", incident_id=command.merged_from, by=command.by)
    else:
        turn.note("joined", report_ids=list(command.reports))
    arrival_at = _arrival(incident)
    for report_id in command.reports:
        turn.do(TellReporter("goes_on_as" if command.merged_from else "received", report_id=report_id))
        if incident.lead.state is TrackState.ACKNOWLEDGED:
            turn.do(TellReporter("acknowledged" if arrival_at else "in_good_hands", arrival_at, report_id))
    for alert in incident.alerts:
        if command.words and alert.state in TAKEN:
            turn.do(TellResponder(alert.id, "another_report"))
            turn.do(PassOn(alert.id, command.words))


def _arrival(incident: Incident) -> datetime | None:
    """When the holder of the lead track is expected; None once they are there or late."""
    dues = (due.due_at for due in incident.deadlines if due.kind is DeadlineKind.ARRIVE)
    return next(dues, None)


class ReporterWord(StrEnum):
    """What a reporter says of themselves while the incident runs."""

    #: Safe: a person asks before anybody is stood down.
    SAFE = "safe"
    #: Nobody is needed any more, they say: a person asks as well.
    CANCELS = "cancels"
    #: It is not over for them, although somebody said so.
    UNSAFE = "unsafe"
    #: In danger themselves: a call back may harm.
    IN_DANGER = "in_danger"
    #: Something in words of their own.
    WROTE = "wrote"


_REPORTER_SAYS = {
    ReporterWord.SAFE: "reporter_safe",
    ReporterWord.CANCELS: "reporter_cancels",
    ReporterWord.UNSAFE: "reporter_unsafe",
    ReporterWord.IN_DANGER: "reporter_in_danger",
}


@dataclass(frozen=True)
class HearReporter:
    """The reporter says how they are, or writes, also after the end; it changes nothing but who knows."""

    word: ReporterWord
    #: What they wrote; None: all that was written so far.
    words: str | None = field(default=None, repr=False)


@decides(HearReporter, {state: {state} for state in State if state is not State.MERGED})
def _hear_reporter(turn: Turn, command: HearReporter) -> None:
    if command.word is ReporterWord.WROTE:
        turn.note("reporter_wrote")
        for alert in turn.incident.alerts:
            if alert.state in TAKEN and turn.incident.state in DANGER:
                turn.do(PassOn(alert.id, command.words))
        return
    key = _REPORTER_SAYS[command.word]
    turn.note(key)
    if command.word in {ReporterWord.SAFE, ReporterWord.CANCELS} and not turn.incident.is_open:
        return  # there is nothing left to check
    holders = {track.holder for track in turn.incident.tracks}
    asked = {AlertState.OPEN, *TAKEN} if command.word is ReporterWord.IN_DANGER else TAKEN
    for alert in turn.incident.alerts:
        if alert.id in holders or alert.state in asked:
            turn.do(TellResponder(alert.id, key))
    if command.word is not ReporterWord.IN_DANGER:
        turn.do(TellSupervisors(key))
    elif turn.incident.state not in DANGER:  # nobody is there any more who would know
        turn.do(TellSupervisors("reporter_unsafe"))
