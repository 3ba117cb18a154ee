"""One incident on a bench: the clock is moved by hand, and whatever was decided is kept to be looked at."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from config.settings import HERE
from ess.domain import incident as life
from ess.domain.duty import Channel, Responder, Role
from ess.domain.follow_up import FollowUp, Outcome
from ess.domain.incident import DeadlineKind, Decision, decide, receive
from ess.domain.place import Area, Place
from ess.domain.policy import Policy
from ess.domain.report import IncidentType
from ess.policies import load_policies

#: 20:00 in Thailand.
EVENING = datetime(2023, 4, 20, 13, 0, tzinfo=UTC)

POLICIES = load_policies(HERE / "policies")
ASSAULT = POLICIES[IncidentType.ASSAULT]

PHITSANULOK = Area("65", "พิษณุโลก", "Phitsanulok")
SUKHOTHAI = Area("64", "สุโขทัย", "Sukhothai")
MUEANG = Area("6501", "เมืองพิษณุโลก", "Mueang Phitsanulok")
WANG_THONG = Area("6508", "วังทอง", "Wang Thong")
THE_HOUSE = Place(PHITSANULOK, (MUEANG, WANG_THONG), (PHITSANULOK, SUKHOTHAI), 0.9, "pin")

_IDS = UUID("e55e55e5-0000-4000-8000-000000000000")


def an_id(name: str) -> UUID:
    """The same id for the same name."""
    return uuid5(_IDS, name)


def unit(role: Role, name: str) -> Responder:
    """Somebody on call who can be reached; made up."""
    return Responder(an_id(name), name, name, role, channels=(Channel.LINE, Channel.SMS))


STATION = unit(Role.POLICE_STATION, "the station of the district")
RADIO_191 = unit(Role.RADIO_191, "the 191 centre")
SECOND_STATION = unit(Role.POLICE_STATION, "the next station")
THIRD_STATION = unit(Role.POLICE_STATION, "the station after that")
ONE_HOME = unit(Role.ONE_HOME, "the One Home team")
SOCIAL_WORKER = unit(Role.SOCIAL_WORKER, "the social worker")
VOLUNTEER = unit(Role.VOLUNTEER, "the volunteer")
DESK = unit(Role.NATIONAL_DESK, "the national desk")
SUPERVISOR = unit(Role.SUPERVISOR, "the supervisor")
EVERYBODY = (
    *(STATION, RADIO_191, SECOND_STATION, THIRD_STATION, ONE_HOME),
    *(SOCIAL_WORKER, VOLUNTEER, DESK, SUPERVISOR),
)
_NAMES = {responder.id: responder.name for responder in EVERYBODY}


class Scene:
    """An incident of `policy` that was just received."""

    def __init__(self, policy: Policy = ASSAULT, *, has_place: bool = True) -> None:
        self.now = EVENING
        self.decision = receive(an_id("incident"), "BCD234", policy.type, policy, has_place=has_place, now=self.now)

    # --- what is so ---
    @property
    def incident(self) -> life.Incident:
        return self.decision.incident

    @property
    def state(self) -> life.State:
        return self.incident.state

    @property
    def facts(self) -> list[str]:
        """The names of what the last decision noted."""
        return [fact.name for fact in self.decision.facts]

    @property
    def asked(self) -> list[str]:
        """Who was sent an alert by the last decision."""
        return [
            self._name(effect.alert_id) for effect in self.decision.effects if isinstance(effect, life.AskResponder)
        ]

    @property
    def told(self) -> dict[str, str]:
        """Which responders were told what by the last decision."""
        tellings = [effect for effect in self.decision.effects if isinstance(effect, life.TellResponder)]
        return {self._name(effect.alert_id): effect.message for effect in tellings}

    @property
    def reporter_heard(self) -> list[tuple[str, datetime | None]]:
        """What the last decision tells the reporter."""
        effects = self.decision.effects
        return [(effect.message, effect.arrival_at) for effect in effects if isinstance(effect, life.TellReporter)]

    @property
    def informed(self) -> list[str]:
        """The provinces in which the last decision informs whoever the policy only informs."""
        return [effect.province for effect in self.decision.effects if isinstance(effect, life.Inform)]

    @property
    def supervisors_heard(self) -> list[str]:
        """What the last decision tells the supervisors."""
        return [effect.message for effect in self.decision.effects if isinstance(effect, life.TellSupervisors)]

    @property
    def due(self) -> dict[tuple[DeadlineKind, str], timedelta]:
        """What is promised, and how long from now."""
        return {(due.kind, due.subject): due.due_at - self.now for due in self.incident.deadlines}

    @property
    def call(self) -> FollowUp:
        """The only follow-up."""
        (call,) = self.incident.follow_ups
        return call

    def alert(self, who: Responder, track: str = "police") -> life.Alert:
        """The alert that `who` has in the track."""
        (alert,) = (a for a in self.incident.alerts if a.responder_id == who.id and a.track == track)
        return alert

    def holder(self, track: str = "police") -> str | None:
        """Who has the track."""
        holder = self.incident.track(track).holder
        return self._name(holder) if holder else None

    def _name(self, alert_id: UUID) -> str:
        return _NAMES[self.incident.alert(alert_id).responder_id]

    # --- what happens ---
    def do(self, command: life.Command) -> Decision:
        """Decide and keep; where it is refused nothing has changed."""
        self.decision = decide(self.incident, command, self.now)
        return self.decision

    def wait(self, **duration: float) -> None:
        """Let time pass in which nothing happens."""
        self.now += timedelta(**duration)

    def locate(self, place: Place | None = THE_HOUSE) -> None:
        self.do(life.Locate(place))

    def select(self, *units: Responder, track: str = "police") -> None:
        """The roster's choice for the present step of the track."""
        chosen = tuple(
            life.Chosen(an_id(f"{track} {who.ref}"), who.id, who.role, on_scene=who.on_scene) for who in units
        )
        (deadline,) = (
            due for due in self.incident.deadlines if (due.kind, due.subject) == (DeadlineKind.SELECT, track)
        )
        self.do(life.AlertResponders(deadline, self.incident.track(track).asking, chosen))

    def pass_deadline(self, kind: DeadlineKind, subject: str = "police") -> None:
        """Nothing happened until that deadline, and now it has come."""
        (deadline,) = (due for due in self.incident.deadlines if (due.kind, due.subject) == (kind, subject))
        self.now = max(self.now, deadline.due_at)
        self.do(life.PassDeadline(deadline))

    def follow_up_comes_due(self, follow_up: FollowUp, caller: Responder | None = SOCIAL_WORKER) -> None:
        """Nothing was reported until its deadline, and now it has come; `caller` is responsible then."""
        about = DeadlineKind.FOLLOW_UP, str(follow_up.id)
        (deadline,) = (due for due in self.incident.deadlines if (due.kind, due.subject) == about)
        self.now = max(self.now, deadline.due_at)
        self.do(life.MindFollowUp(deadline, caller.id if caller else None))

    def nobody_answers(self, track: str = "police") -> None:
        self.pass_deadline(DeadlineKind.ACKNOWLEDGE, track)

    def accepts(self, who: Responder, *, eta: timedelta | None = None, track: str = "police") -> None:
        self.do(life.Accept(self.alert(who, track).id, eta, "line"))

    def expects(self, who: Responder, *, minutes: float, track: str = "police") -> None:
        self.do(life.Estimate(self.alert(who, track).id, timedelta(minutes=minutes), "line"))

    def declines(self, who: Responder, *, track: str = "police") -> None:
        self.do(life.Decline(self.alert(who, track).id, "line"))

    def departs(self, who: Responder, *, track: str = "police") -> None:
        self.do(life.Depart(self.alert(who, track).id, "line"))

    def arrives(self, who: Responder, *, track: str = "police") -> None:
        self.do(life.Arrive(self.alert(who, track).id, "line"))

    def calls_backup(self, who: Responder, *, track: str = "police") -> None:
        self.do(life.CallBackup(self.alert(who, track).id, "line"))

    def hand_over(self, who: Responder, to: Responder, *, track: str = "police") -> None:
        chosen = life.Chosen(an_id(f"{track} {to.ref}"), to.id, to.role)
        self.do(life.HandOver("a made-up operator", self.alert(who, track).id, chosen))

    def resolves(self, who: Responder, *, track: str = "police") -> None:
        self.do(life.Resolve(self.alert(who, track).id, "line"))

    def loses_contact_with(self, who: Responder, *, track: str = "police") -> None:
        self.do(life.LoseContact(self.alert(who, track).id))

    def assign(self, who: Responder) -> None:
        chosen = life.Chosen(an_id(f"police {who.ref}"), who.id, who.role)
        self.do(life.Assign("a made-up operator", chosen))

    def open_follow_ups(self, caller: Responder | None = SOCIAL_WORKER) -> None:
        """The protocol's calls, each for the same person."""
        plans = self.incident.policy.follow_ups
        calls = tuple((an_id(plan.name), plan, caller.id if caller else None) for plan in plans)
        self.do(life.OpenFollowUps(calls))

    def call_went(self, outcome: Outcome) -> None:
        self.do(life.ReportFollowUp(self.call.id, outcome, "line"))


def alerting() -> Scene:
    """The station and the One Home team have been asked, and nobody has said anything."""
    scene = Scene()
    scene.locate()
    scene.select(STATION)
    scene.select(ONE_HOME, track="social_care")
    return scene


def nobody_left() -> Scene:
    """Every step of the police track has gone by, and the last resort is to be chosen."""
    scene = alerting()
    scene.nobody_answers()
    scene.select(RADIO_191)
    scene.nobody_answers()
    scene.select(SECOND_STATION, THIRD_STATION)
    scene.nobody_answers()
    return scene


def resolved() -> Scene:
    """The station went, and the danger is over."""
    scene = alerting()
    scene.accepts(STATION)
    scene.resolves(STATION)
    return scene
