"""What there is: an incident, its tracks, the alerts of its responders, and what is promised for later.

Plain values that never change: a decision makes new ones, by a `Turn`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ess.domain.duty import Role
from ess.domain.errors import NotFound, Refused
from ess.domain.follow_up import FollowUp
from ess.domain.place import Pin, Place
from ess.domain.policy import Policy, Target
from ess.domain.report import IncidentType


class State(StrEnum):
    """Where an incident stands."""

    RECEIVED = "received"
    LOCATED = "located"
    ALERTING = "alerting"
    ACKNOWLEDGED = "acknowledged"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CLOSED = "closed"
    UNANSWERED = "unanswered"
    CANCELLED = "cancelled"
    MERGED = "merged"


#: Who is asked, or has it, can still answer: the place is known, or nobody can name it.
RESPONDING = (State.LOCATED, State.ALERTING, State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE)
#: Somebody may be in danger.
DANGER = (State.RECEIVED, *RESPONDING)
#: Nothing more is owed to anybody.
ENDED = frozenset({State.CLOSED, State.CANCELLED, State.MERGED})
#: Nobody is on the way any more, or looked for.
OVER = frozenset({State.RESOLVED, *ENDED})


class TrackState(StrEnum):
    """Where one line of escalation stands."""

    #: Not begun: the place is unknown.
    PENDING = "pending"
    #: A step is being chosen or waits for its acknowledgement.
    ALERTING = "alerting"
    ACKNOWLEDGED = "acknowledged"
    #: Ran out of steps; the last resort is asked again and again, or holds it.
    UNANSWERED = "unanswered"
    #: The incident is over.
    ENDED = "ended"


class AlertState(StrEnum):
    """What one responder has said to one incident."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    DECLINED = "declined"
    #: No channel reaches them.
    UNREACHABLE = "unreachable"
    #: Somebody else has it, or it is over.
    STOOD_DOWN = "stood_down"


#: The responder has taken it on.
TAKEN = frozenset({AlertState.ACCEPTED, AlertState.DEPARTED, AlertState.ARRIVED})


class DeadlineKind(StrEnum):
    """What must happen at a deadline."""

    #: Find the place; without one the national desk is alerted.
    LOCATE = "locate"
    #: Choose and alert the responders of a track's present step.
    SELECT = "select"
    #: The step's wait is over: nobody acknowledged.
    ACKNOWLEDGE = "acknowledge"
    #: The holder of a track should be on the way by now.
    DEPART = "depart"
    #: The holder of a track should be there by now.
    ARRIVE = "arrive"
    #: The holder was asked where they are and has not said so: others are alerted beside them.
    BACK_UP = "back_up"
    #: Assign the promised calls.
    OPEN_FOLLOW_UPS = "open_follow_ups"
    #: A promised call should have been reported.
    FOLLOW_UP = "follow_up"


@dataclass(frozen=True, order=True)
class Deadline:
    """An instant (UTC) at which something must happen to `subject`: a track's name or a follow-up's id."""

    due_at: datetime
    kind: DeadlineKind
    subject: str = ""


@dataclass(frozen=True)
class Alert:
    """One responder asked to act on one incident."""

    id: UUID
    responder_id: UUID
    role: Role
    track: str
    #: From 1; one past the last step is the last resort.
    step: int
    state: AlertState = AlertState.OPEN
    #: When the responder says they will be there (UTC).
    eta_at: datetime | None = None
    #: Asked beside whoever has the track, and takes nothing from them.
    backup: bool = False
    #: Inactive or on leave by now: they may answer, and are not asked once more.
    is_away: bool = False


@dataclass(frozen=True)
class Track:
    """One line of escalation of one incident."""

    name: str
    state: TrackState = TrackState.PENDING
    #: The step that is being asked, from 1; 0 before the first.
    step: int = 0
    #: The alert whose responder has taken it.
    holder: UUID | None = None
    #: The arrival that the reporter was last told (UTC).
    promised_at: datetime | None = None
    #: The province whose informed responders were told last; of the lead track.
    informed: str = ""
    #: The step whose responders were alerted last as backup; 0 before the first.
    backup: int = 0
    #: Somebody on the way or there has called for it, and it is wanted whatever the holder does.
    backup_wanted: bool = False
    #: The alert whose responder has the track as soon as they accept.
    next_holder: UUID | None = None

    @property
    def asking(self) -> int:
        """The step that is asked: of backup, where somebody has the track."""
        return self.backup if self.state is TrackState.ACKNOWLEDGED else self.step


@dataclass(frozen=True)
class Incident:
    """What happened, and needs people."""

    id: UUID
    code: str
    type: IncidentType
    policy: Policy
    state: State = State.RECEIVED
    place: Place | None = None
    tracks: tuple[Track, ...] = ()
    alerts: tuple[Alert, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    deadlines: frozenset[Deadline] = frozenset()
    #: Not shown where the incident is printed.
    pin: Pin | None = field(default=None, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether somebody is still owed something."""
        return self.state not in ENDED

    @property
    def lead(self) -> Track:
        """The track that the reporter was promised."""
        return self.track(self.policy.lead.name)

    def is_lead(self, track: str) -> bool:
        """Whether the reporter was promised that track."""
        return track == self.policy.lead.name

    def track(self, name: str) -> Track:
        """The track of that name; NotFound names those that there are."""
        for track in self.tracks:
            if track.name == name:
                return track
        known = ", ".join(track.name for track in self.tracks)
        raise NotFound(f"incident {self.code} has no track {name!r}; it has {known}")

    def alert(self, alert_id: UUID) -> Alert:
        """The alert of that id; NotFound where it is another incident's."""
        for alert in self.alerts:
            if alert.id == alert_id:
                return alert
        raise NotFound(f"incident {self.code} has no alert {alert_id}")

    def alert_and_track(self, alert_id: UUID) -> tuple[Alert, Track]:
        """The alert of that id, and the track that it belongs to; NotFound where it is another incident's."""
        alert = self.alert(alert_id)
        return alert, self.track(alert.track)

    def taken(self, alert_id: UUID) -> tuple[Alert, Track]:
        """The same of whoever has taken it on; Refused for anybody else."""
        alert, track = self.alert_and_track(alert_id)
        if alert.state not in TAKEN:
            raise Refused("accept first" if alert.state is AlertState.OPEN else "you do not have this incident")
        return alert, track

    def alerts_of(self, track: str, *states: AlertState) -> list[Alert]:
        """The track's alerts that are in one of these states, in the order in which they were made."""
        return [alert for alert in self.alerts if alert.track == track and alert.state in states]

    def follow_up(self, follow_up_id: UUID) -> FollowUp:
        """The call or visit of that id; NotFound where it is another incident's."""
        for follow_up in self.follow_ups:
            if follow_up.id == follow_up_id:
                return follow_up
        raise NotFound(f"incident {self.code} has no follow-up {follow_up_id}")

    def targets(self, track: str) -> tuple[Target, ...]:
        """Whom the track's present step asks; beside the lead's first, the national desk where the place is a guess."""
        step = self.track(track).asking
        wanted = self.policy.targets(track, step)
        if self.place is None or self.place.is_sure or step != 1 or not self.is_lead(track):
            return wanted
        return (*wanted, *(target for target in self.policy.last_resort.alert if target.role is Role.NATIONAL_DESK))

    def asks_last_resort(self, track: str) -> bool:
        """Whether the track's present step is the one past its last."""
        return self.track(track).asking > len(self.policy.track(track).steps)

    def has_due(self, track: str, *kinds: DeadlineKind) -> bool:
        """Whether one of these is promised for the track."""
        return any(due.subject == track and due.kind in kinds for due in self.deadlines)

    def asked(self, track: str) -> frozenset[UUID]:
        """The responders that any step of the track has alerted."""
        return frozenset(alert.responder_id for alert in self.alerts if alert.track == track)
