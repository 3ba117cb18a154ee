"""Whatever is done to an incident, in whatever order, what was promised holds.

A machine does everything that people, providers and clocks may do, with small random policies and rosters
that are often empty, in an order that nobody planned: late, twice, and after the end.  After each decision it
looks at what must be true.  `ESS_PROPERTIES=deep` tries for longer, and other orders each time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scene import (
    DESK,
    EVENING,
    EVERYBODY,
    PHITSANULOK,
    SOCIAL_WORKER,
    SUKHOTHAI,
    SUPERVISOR,
    THE_HOUSE,
    WANG_THONG,
    Scene,
    an_id,
)

from ess.domain import incident as life
from ess.domain.calling_hours import ANY_TIME, CallingHours
from ess.domain.duty import NATIONAL_ROLES, Responder, Role
from ess.domain.errors import AlreadyRecorded, Refused
from ess.domain.follow_up import OUTCOMES, Outcome, move_times
from ess.domain.incident import (
    ENDED,
    TAKEN,
    TRANSITIONS,
    AlertState,
    Deadline,
    DeadlineKind,
    Decision,
    Incident,
    State,
    Track,
    TrackState,
    decide,
    is_in_hand,
    receive,
)
from ess.domain.place import Pin, Place
from ess.domain.policy import (
    FollowUpPlan,
    LastResort,
    Policy,
    Step,
    Target,
    TrackPolicy,
    VisitPlan,
    Within,
    problems,
)
from ess.domain.report import IncidentType

#: Nobody has said yet that the danger is over.
IN_DANGER = frozenset(State) - {State.RESOLVED, State.CLOSED, State.CANCELLED, State.MERGED}

LOCAL_ROLES = [Role.POLICE_STATION, Role.RADIO_191, Role.ONE_HOME, Role.SOCIAL_WORKER, Role.VOLUNTEER]
ROLES = [*LOCAL_ROLES, Role.NATIONAL_DESK]

#: What a timeline must never hold, because it says who or where somebody is.
PERSONAL = {"phone", "name", "address", "latitude", "longitude", "description", "text", "body", "line_user_id", "to"}

#: Each says "mine" where nobody has it.
ACCEPTANCES = (life.Accept, life.Estimate, life.Depart, life.Arrive)

#: What a person or the clock does; the operator's ways to end an incident are not among them.
ANSWERS = (life.Accept, life.Estimate, life.Decline, life.Depart, life.Arrive, life.LoseContact, life.CallBackup)

# --- what is drawn ---
waits = st.integers(1, 600).map(lambda seconds: timedelta(seconds=seconds))
targets = st.builds(
    lambda role, n: Target(role, Within.NATION if role in NATIONAL_ROLES else Within.PROVINCE, n),
    st.sampled_from(ROLES),
    st.integers(1, 2),
)
steps = st.builds(Step, st.lists(targets, min_size=1, max_size=2).map(tuple), waits)
plans = st.builds(
    FollowUpPlan,
    st.just(""),
    by=st.just(Role.SOCIAL_WORKER),
    due=waits,
    remind_every=waits,
    reminders=st.integers(0, 2),
    tries=st.integers(1, 3),
    retry_after=waits,
    calling_hours=st.booleans(),
    move_within=waits,
    visit=st.none() | st.builds(VisitPlan, waits),
)
#: At any time, as in offices, and with a holiday beside the weekend.
all_hours = st.sampled_from(
    [
        ANY_TIME,
        CallingHours(timedelta(hours=8.5), timedelta(hours=18)),
        CallingHours(timedelta(hours=9), timedelta(hours=16), weekends=False, days_off={date(2023, 4, 21)}),
    ]
)


@st.composite
def track_policies(draw: st.DrawFn, name: str, *, lead: bool) -> TrackPolicy:
    """One to three steps, and at least one local role that is asked and can acknowledge."""
    drawn = draw(st.lists(steps, min_size=1, max_size=3).filter(_local_roles))
    can_stop_it = draw(st.sets(st.sampled_from(_local_roles(drawn)), min_size=1, max_size=2))
    never_asked = draw(st.sets(st.sampled_from(LOCAL_ROLES), max_size=2))
    return TrackPolicy(name, tuple(can_stop_it | never_asked), tuple(drawn), lead=lead)


def _local_roles(drawn: list[Step]) -> list[Role]:
    return sorted({target.role for step in drawn for target in step.alert} - NATIONAL_ROLES)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """One to three tracks of one to three steps, one of which leads."""
    n_tracks = draw(st.integers(1, 3))
    leader = draw(st.integers(0, n_tracks - 1))
    tracks = tuple(draw(track_policies(f"track {i}", lead=i == leader)) for i in range(n_tracks))
    calls = tuple(replace(plan, name=f"call {i}") for i, plan in enumerate(draw(st.lists(plans, max_size=2))))
    last_resort = LastResort((Target(Role.NATIONAL_DESK, Within.NATION),), timedelta(seconds=60) + draw(waits))
    policy = Policy(
        *(IncidentType.ASSAULT, draw(waits), draw(waits), timedelta(minutes=30), tracks, last_resort, calls),
        depart_within=draw(waits),
        backup_after=draw(waits),
        informed=draw(st.sampled_from([(), (Target(Role.RADIO_191, Within.PROVINCE),)])),
    )
    assert not list(problems(policy))
    return policy


#: Places to which an incident may be corrected: near by, farther in the district, in another one, and a guess.
WHERE: list[tuple[Place, Pin | None]] = [
    (THE_HOUSE, None),
    (THE_HOUSE, (16.82, 100.26)),
    (THE_HOUSE, (16.8201, 100.26)),
    (THE_HOUSE, (16.84, 100.26)),
    (replace(THE_HOUSE, districts=(WANG_THONG,)), (16.83, 100.4)),
    (replace(THE_HOUSE, province=SUKHOTHAI, districts=(), contradicted_by=PHITSANULOK), None),
    (replace(THE_HOUSE, source="text", confidence=0.2), None),
]

rosters = st.lists(st.sampled_from(EVERYBODY), unique=True, max_size=3)
moments = st.integers(0, 700).map(lambda seconds: timedelta(seconds=seconds))
numbers = st.integers(0, 11)


def taken_by_one(incident: Incident, track: Track) -> bool:
    """Whether everybody who said "mine", and whose word counts, is the one who has the track, or its backup."""
    policy = incident.policy.track(track.name)
    counting = set(NATIONAL_ROLES) if track.state is TrackState.UNANSWERED else set(policy.acknowledged_by)
    claims = {
        alert.id
        for alert in incident.alerts
        if alert.track == track.name and alert.state in TAKEN and alert.role in counting and not alert.backup
    }
    return claims == ({track.holder} if track.holder else set())


def deadlines_of(incident: Incident, subject: str) -> set[Deadline]:
    return {deadline for deadline in incident.deadlines if deadline.subject == subject}


def plain(value: Any) -> bool:
    """Whether JSON can hold it, with ids and instants as text, and without a personal word as a key."""
    match value:
        case Mapping():
            return all(isinstance(key, str) and key not in PERSONAL and plain(item) for key, item in value.items())
        case list():
            return all(map(plain, value))
        case _:
            return value is None or isinstance(value, str | int | float | bool | UUID | datetime)


class AnythingHappens(RuleBasedStateMachine):
    """One incident, and everybody who may touch it."""

    incident: Incident
    hours: CallingHours

    def __init__(self) -> None:
        super().__init__()
        self.now = EVENING
        self.sent: list[life.Command] = []
        self.promised: set[Deadline] = set()
        self.asked: set[tuple[str, UUID]] = set()
        self._ids = count(1)

    # --- the beginning ---
    @initialize(policy=policies(), has_place=st.booleans(), hours=all_hours)
    def a_report_comes_in(self, policy: Policy, has_place: bool, hours: CallingHours) -> None:
        self.hours = hours
        decision = receive(an_id("incident"), "BCD234", policy.type, policy, has_place=has_place, now=self.now)
        self.incident = decision.incident
        self.promised = set(self.incident.deadlines)

    # --- the clock and the roster ---
    @rule(later=moments)
    def time_passes(self, later: timedelta) -> None:
        self.now += later

    @rule(which=numbers, late=moments, roster=rosters, known=st.booleans())
    @precondition(lambda self: self.incident.deadlines)
    def a_deadline_comes(self, which: int, late: timedelta, roster: list[Responder], known: bool) -> None:
        """Any of them, the one due last as well: a worker was away, and another overtook it."""
        deadlines = sorted(self.incident.deadlines)
        deadline = deadlines[which % len(deadlines)]
        self.now = max(self.now, deadline.due_at) + late
        match deadline.kind:
            case DeadlineKind.LOCATE:
                self.send(life.Locate(THE_HOUSE if known else None))
            case DeadlineKind.SELECT:
                track = self.incident.track(deadline.subject)
                last_resort = self.incident.asks_last_resort(track.name)
                fits = [
                    who
                    for who in roster
                    if (who.role in NATIONAL_ROLES) is last_resort
                    and (last_resort or who.id not in self.incident.asked(track.name))
                ]
                self.send(life.AlertResponders(deadline, track.asking, tuple(map(self.chosen, fits))))
            case DeadlineKind.OPEN_FOLLOW_UPS:
                self.send(self.calls(roster))
            case DeadlineKind.FOLLOW_UP:
                caller = next((who.id for who in roster if who.role in LOCAL_ROLES), None)
                self.send(life.MindFollowUp(deadline, caller, self.hours))
            case _:
                self.send(life.PassDeadline(deadline))

    @rule(which=numbers, step=st.integers(0, 4), roster=rosters)
    def a_choice_comes_at_any_time(self, which: int, step: int, roster: list[Responder]) -> None:
        track = self.incident.tracks[which % len(self.incident.tracks)]
        deadline = Deadline(self.now, DeadlineKind.SELECT, track.name)
        self.send(life.AlertResponders(deadline, step, tuple(map(self.chosen, roster))))

    @rule(which=numbers)
    @precondition(lambda self: self.promised)
    def a_deadline_comes_that_was_moved(self, which: int) -> None:
        looked_up = {DeadlineKind.LOCATE, DeadlineKind.SELECT, DeadlineKind.OPEN_FOLLOW_UPS, DeadlineKind.FOLLOW_UP}
        passable = set(DeadlineKind) - looked_up
        stale = sorted(due for due in self.promised - self.incident.deadlines if due.kind in passable)
        if stale:
            self.send(life.PassDeadline(stale[which % len(stale)]))

    @rule(where=st.sampled_from([None, *WHERE]), outside=st.sets(numbers, max_size=2))
    def a_place_is_supplied_or_corrected(self, where: tuple[Place, Pin | None] | None, outside: set[int]) -> None:
        place, pin = where or (None, None)
        names = frozenset(track.name for i, track in enumerate(self.incident.tracks) if i in outside)
        self.send(life.Locate(place, pin, unclear=place is None, outside=names))

    @rule(n=st.integers(1, 2), adds=st.booleans(), merged=st.booleans())
    def more_reports_tell_of_it(self, n: int, adds: bool, merged: bool) -> None:
        reports = tuple(an_id(f"report {next(self._ids)}") for _ in range(n))
        self.send(life.Join(reports, "made-up words" if adds else "", an_id("another incident") if merged else None))

    # --- the responders ---
    @rule(which=numbers, eta=st.none() | moments)
    @precondition(lambda self: self.incident.alerts)
    def somebody_accepts(self, which: int, eta: timedelta | None) -> None:
        self.send(life.Accept(self.an_alert(which), eta, "line"))

    @rule(which=numbers, eta=moments)
    @precondition(lambda self: self.incident.alerts)
    def somebody_says_when_they_will_be_there(self, which: int, eta: timedelta) -> None:
        self.send(life.Estimate(self.an_alert(which), eta, "line"))

    @rule(which=numbers)
    @precondition(lambda self: self.incident.alerts)
    def somebody_declines(self, which: int) -> None:
        self.send(life.Decline(self.an_alert(which), "sms"))

    @rule(which=numbers)
    @precondition(lambda self: self.incident.alerts)
    def somebody_cannot_be_reached(self, which: int) -> None:
        self.send(life.LoseContact(self.an_alert(which)))

    @rule(which=numbers, arrived=st.booleans(), eta=st.none() | moments)
    @precondition(lambda self: self.incident.alerts)
    def somebody_moves(self, which: int, arrived: bool, eta: timedelta | None) -> None:
        self.send(life.Arrive(self.an_alert(which)) if arrived else life.Depart(self.an_alert(which), "line", eta))

    @rule(which=numbers)
    @precondition(lambda self: self.incident.alerts)
    def somebody_calls_backup(self, which: int) -> None:
        self.send(life.CallBackup(self.an_alert(which), "line"))

    @rule(which=numbers)
    @precondition(lambda self: self.incident.alerts)
    def somebody_says_that_it_is_over(self, which: int) -> None:
        self.send(life.Resolve(self.an_alert(which)))

    @rule(word=st.sampled_from(life.ReporterWord))
    def the_reporter_says_how_they_are(self, word: life.ReporterWord) -> None:
        before = self.incident
        self.send(life.HearReporter(word))
        assert self.incident == before

    @rule(which=numbers, outcome=st.sampled_from(Outcome))
    @precondition(lambda self: self.incident.follow_ups)
    def a_call_is_reported(self, which: int, outcome: Outcome) -> None:
        call = self.incident.follow_ups[which % len(self.incident.follow_ups)]
        self.send(life.ReportFollowUp(call.id, outcome, hours=self.hours))

    @rule(which=numbers, offer=st.integers(0, 2), later=waits)
    @precondition(lambda self: self.incident.follow_ups)
    def a_call_is_moved(self, which: int, offer: int, later: timedelta) -> None:
        """To a time that is offered, or to one that somebody made up."""
        call = self.incident.follow_ups[which % len(self.incident.follow_ups)]
        at = dict(enumerate(move_times(call, self.now, self.hours))).get(offer, self.now + later)
        self.send(life.MoveFollowUp(call.id, at, hours=self.hours))

    @rule(which=numbers, who=st.sampled_from([SUPERVISOR, DESK]))
    @precondition(lambda self: self.incident.follow_ups)
    def a_supervisor_takes_a_call_over(self, which: int, who: Responder) -> None:
        call = self.incident.follow_ups[which % len(self.incident.follow_ups)]
        self.send(life.TakeFollowUp(call.id, who.id, hours=self.hours))

    @rule(which=numbers, service=st.sampled_from(["shelter", "hospital"]))
    @precondition(lambda self: self.incident.follow_ups)
    def a_service_is_named(self, which: int, service: str) -> None:
        call = self.incident.follow_ups[which % len(self.incident.follow_ups)]
        self.send(life.NameService(call.id, service))

    @rule()
    def somebody_answers_what_was_never_asked(self) -> None:
        self.send(life.Accept(an_id("nobody's alert")))
        self.send(life.ReportFollowUp(an_id("nobody's call"), Outcome.REACHED))

    @rule()
    def the_audit_finds_it(self) -> None:
        """Never in nobody's hand, so there is nothing to take up."""
        self.send(life.TakeInHand())

    # --- the operators ---
    @rule(which=st.none() | numbers)
    def an_operator_escalates(self, which: int | None) -> None:
        tracks = self.incident.tracks
        self.send(life.Escalate("operator", None if which is None else tracks[which % len(tracks)].name))

    @rule(who=st.sampled_from(EVERYBODY))
    def an_operator_assigns(self, who: Responder) -> None:
        self.send(life.Assign("operator", self.chosen(who)))

    @rule(which=numbers, who=st.sampled_from(EVERYBODY))
    @precondition(lambda self: self.incident.alerts)
    def an_operator_hands_over(self, which: int, who: Responder) -> None:
        self.send(life.HandOver("operator", self.an_alert(which), self.chosen(who)))

    @rule(end=st.sampled_from(["cancel", "close", "merge"]), sure=st.integers(0, 7))
    def an_operator_ends_it(self, end: str, sure: int) -> None:
        if sure:  # most of the time they think again: what has ended teaches little
            return
        match end:
            case "cancel":
                self.send(life.Cancel("operator"))
            case "close":
                self.send(life.Close("operator"))
            case _:
                self.send(life.Merge("operator", an_id("another incident"), "FGH567"))

    @rule(which=numbers)
    @precondition(lambda self: self.sent)
    def something_old_comes_again(self, which: int) -> None:
        self.send(self.sent[-1 - which % len(self.sent)])

    # --- doing it ---
    def an_alert(self, which: int) -> UUID:
        return self.incident.alerts[which % len(self.incident.alerts)].id

    def chosen(self, who: Responder) -> life.Chosen:
        return life.Chosen(an_id(f"alert {next(self._ids)}"), who.id, who.role, on_scene=next(self._ids) % 5 == 0)

    def calls(self, roster: list[Responder]) -> life.OpenFollowUps:
        caller = SOCIAL_WORKER.id if SOCIAL_WORKER in roster else None
        plans = self.incident.policy.follow_ups
        return life.OpenFollowUps(tuple((an_id(plan.name), plan, caller) for plan in plans), self.hours)

    def send(self, command: life.Command) -> None:
        """Decide twice, compare, look at everything, and keep."""
        self.sent.append(command)
        before, seen = self.incident, repr(self.incident)
        decision = _decided(before, command, self.now)
        assert _same(decision, _decided(before, command, self.now)), "the same input gave another decision"
        assert repr(before) == seen, "a decision changed what it was given"
        if isinstance(decision, Refused):
            assert str(decision)
            return
        self.incident = decision.incident
        self.promised |= self.incident.deadlines
        self.look_at_the_record(before, command, decision)
        self.look_at_who_is_asked(before, decision)
        self.look_at_an_answer(before, command)
        self.look_at_what_the_reporter_hears(before, command, decision)
        if isinstance(command, life.AlertResponders):
            self.look_at_a_choice(before, command, decision)
        if isinstance(command, life.Locate | life.Join):
            self.look_at_who_keeps_it(before, decision)
        self.look_at_a_repetition(command)

    # --- what must hold after each decision ---
    def look_at_the_record(self, before: Incident, command: life.Command, decision: Decision) -> None:
        after = decision.incident
        assert after.state in TRANSITIONS[before.state, type(command)]
        assert (after.id, after.code, after.type, after.policy) == (before.id, before.code, before.type, before.policy)
        assert decision.facts, "something changed, and the timeline does not say what"
        assert all(plain(fact.data) for fact in decision.facts), decision.facts
        assert all(due.due_at >= self.now for due in after.deadlines - before.deadlines), "promised for the past"

    def look_at_who_is_asked(self, before: Incident, decision: Decision) -> None:
        """A first alert goes to nobody twice; a repeated one only to whom had it; all to people in the incident."""
        known = {alert.id for alert in before.alerts}
        follow_ups = {follow_up.id: follow_up for follow_up in decision.incident.follow_ups}
        for effect in decision.effects:
            match effect:
                case life.AskResponder(alert_id, again, _):
                    alert = decision.incident.alert(alert_id)
                    assert alert.state is AlertState.OPEN
                    assert again is (alert_id in known)
                    if not again:
                        assert (alert.track, alert.responder_id) not in self.asked
                        self.asked.add((alert.track, alert.responder_id))
                case life.TellResponder(alert_id, holder=holder):
                    assert alert_id in known
                    assert holder is None or decision.incident.alert(holder).state in TAKEN
                case life.AskFollowUp(follow_up_id):
                    assert follow_ups[follow_up_id].responder_id is not None
                case life.TellSupervisors(follow_up_id=told_of):
                    assert told_of is None or told_of in follow_ups
                case life.Inform(province):
                    assert decision.incident.alerts, "before anybody was alerted"
                    assert decision.incident.place is not None
                    assert province == decision.incident.place.province.code != before.lead.informed
                case life.TellReporter():
                    pass  # looked at below

    def look_at_an_answer(self, before: Incident, command: life.Command) -> None:
        """An answer moves its own track and no other; and what somebody has is taken from them by nobody."""
        if not isinstance(command, ANSWERS):
            return
        own = before.alert(command.alert_id).track
        for track in before.tracks:
            if track.name != own:
                assert self.incident.track(track.name) == track
                assert deadlines_of(self.incident, track.name) == deadlines_of(before, track.name)
        holder, after = before.track(own).holder, self.incident.track(own).holder
        if isinstance(command, life.Decline) and holder and holder != after:
            assert holder == command.alert_id
            assert after is None or (before.alert(after).backup and before.alert(after).state in TAKEN)
        elif holder and holder != after:
            # A desk gives way to the police whom the reporter was promised, and anybody to whom an operator named.
            assert isinstance(command, ACCEPTANCES)
            named = before.track(own).next_holder == command.alert_id
            assert after == command.alert_id
            assert self.incident.alert(holder).state is AlertState.STOOD_DOWN
            if not named:
                assert before.alert(holder).role in NATIONAL_ROLES
                assert self.incident.alert(command.alert_id).role in before.policy.track(own).acknowledged_by

    def look_at_what_the_reporter_hears(self, before: Incident, command: life.Command, decision: Decision) -> None:
        heard = [effect for effect in decision.effects if isinstance(effect, life.TellReporter)]
        if isinstance(command, life.Locate):
            assert len(heard) <= 1
            was_open = before.place is None or not before.place.is_sure
            assert all(told.message == "which_place" and was_open for told in heard)
            return
        if isinstance(command, life.Join):
            assert [told.report_id for told in heard if told.message in {"received", "goes_on_as"}] == [
                *command.reports
            ]
            has_it = before.lead.state is TrackState.ACKNOWLEDGED
            later = [told.report_id for told in heard if told.message in {"acknowledged", "in_good_hands"}]
            assert later == ([*command.reports] if has_it else [])
            return
        lead = before.policy.lead
        was_held = before.lead.state is TrackState.ACKNOWLEDGED
        acknowledged = (
            isinstance(command, ACCEPTANCES)
            and before.alert(command.alert_id).state not in TAKEN
            and before.alert(command.alert_id).track == lead.name
            and before.alert(command.alert_id).role in lead.acknowledged_by
            and not was_held
        )
        is_another = was_held and before.lead.holder != decision.incident.lead.holder
        for told in heard:
            if told.message == "acknowledged" and is_another:  # whoever has it now comes later than was promised
                assert isinstance(command, (life.HandOver, life.Decline, *ACCEPTANCES))
                assert told.arrival_at is not None
                assert before.lead.promised_at is None or told.arrival_at > before.lead.promised_at
                continue
            match told.message:
                case "team_comes":
                    assert isinstance(command, ACCEPTANCES)
                    track = before.track(before.alert(command.alert_id).track)
                    assert track.name != lead.name
                    assert track.promised_at is None, "once"
                    assert told.holder == decision.incident.track(track.name).holder == command.alert_id
                    continue
                case "new_arrival":
                    self.look_at_a_new_arrival(before, command, told)
                    continue
                case "arrived":
                    assert isinstance(command, life.Arrive) or is_another
                    assert decision.incident.state is State.ON_SCENE
                    assert before.state is not State.ON_SCENE or is_another
                    continue
                case "reporter_over":
                    assert before.state in IN_DANGER
                    assert decision.incident.state in {State.RESOLVED, State.CANCELLED, State.CLOSED}
                    continue
            assert acknowledged, f"{command} is not what the reporter was promised"
            assert told.message == "acknowledged"
            assert isinstance(command, ACCEPTANCES)
            eta = timedelta() if isinstance(command, life.Arrive) else command.eta
            assert told.arrival_at == self.now + (before.policy.arrival_target if eta is None else eta)
        promised = [told for told in heard if told.message == "acknowledged" and not is_another]
        assert bool(promised) is (acknowledged and decision.incident.state in {State.ACKNOWLEDGED, State.ON_SCENE})

    def look_at_a_new_arrival(self, before: Incident, command: life.Command, told: life.TellReporter) -> None:
        """Only where it is later than what they were told before, and of whoever they were told of."""
        assert isinstance(command, life.Accept | life.Estimate | life.Depart)
        assert before.lead.holder == command.alert_id
        assert told.arrival_at == self.incident.lead.promised_at == self.incident.alert(command.alert_id).eta_at
        assert told.arrival_at is not None
        assert before.lead.promised_at is None or told.arrival_at > before.lead.promised_at

    def look_at_a_choice(self, before: Incident, command: life.AlertResponders, decision: Decision) -> None:
        """Whom the last resort chose is asked, however often they were asked before: nobody else will come."""
        track = before.track(command.deadline.subject)
        asked = {
            decision.incident.alert(effect.alert_id).responder_id
            for effect in decision.effects
            if isinstance(effect, life.AskResponder)
        }
        if track.state is TrackState.UNANSWERED:
            assert asked == {chosen.responder_id for chosen in command.chosen}

    def look_at_who_keeps_it(self, before: Incident, decision: Decision) -> None:
        """Neither a better place nor a witness takes an alert or an acknowledgement from anybody."""
        assert decision.incident.alerts == before.alerts
        for track in before.tracks:
            if track.state is TrackState.ACKNOWLEDGED:
                assert replace(decision.incident.track(track.name), informed=track.informed) == track
        if before.place is not None and before.pin != decision.incident.pin:
            told = {effect.alert_id for effect in decision.effects if isinstance(effect, life.TellResponder)}
            assert {alert.id for alert in before.alerts if alert.state in {AlertState.OPEN, *TAKEN}} <= told

    def look_at_a_repetition(self, command: life.Command) -> None:
        """The second comer changes nothing and is told so; only calls without answer and escalations add up.

        What a reporter said last is remembered by their chat, and a report is kept once by its key.
        """
        if isinstance(command, life.Escalate | life.HearReporter | life.Join) or (
            isinstance(command, life.ReportFollowUp) and command.outcome is Outcome.NO_ANSWER
        ):
            return
        again = _decided(self.incident, command, self.now)
        assert isinstance(again, Refused), f"{command} came twice and was done twice"
        if not isinstance(command, life.Cancel | life.Close | life.Merge):
            assert isinstance(again, AlreadyRecorded), f"{command} came twice, and the second heard: {again}"

    # --- what must hold always ---
    @invariant()
    def it_is_in_hand(self) -> None:
        incident = self.incident
        if incident.state in ENDED:
            assert not incident.deadlines
        else:
            assert is_in_hand(incident)
        if incident.state is State.RESOLVED:
            assert incident.deadlines

    @invariant()
    def every_track_that_waits_has_a_deadline(self) -> None:
        for track in self.incident.tracks:
            waits_for_somebody = track.state is TrackState.ALERTING or (
                track.state is TrackState.UNANSWERED and track.holder is None
            )
            if waits_for_somebody:
                # Both where a corrected place has more people to choose, beside those who are waited for there too.
                kinds = {due.kind for due in deadlines_of(self.incident, track.name)}
                assert kinds & {DeadlineKind.SELECT, DeadlineKind.ACKNOWLEDGE}, track

    @invariant()
    def one_deadline_of_a_kind(self) -> None:
        keys = [(deadline.kind, deadline.subject) for deadline in self.incident.deadlines]
        assert len(keys) == len(set(keys))

    @invariant()
    def one_person_has_each_track(self) -> None:
        for track in self.incident.tracks:
            if track.state is TrackState.ENDED:
                continue
            if track.holder:
                held = self.incident.alert(track.holder)
                assert held.track == track.name
                assert held.state in TAKEN
            assert taken_by_one(self.incident, track), track

    @invariant()
    def backup_is_beside_somebody(self) -> None:
        """Whoever was asked as backup stands beside a holder, whom it is not."""
        for alert in self.incident.alerts:
            track = self.incident.track(alert.track)
            if alert.backup and track.state is not TrackState.ENDED:
                assert track.state is TrackState.ACKNOWLEDGED
                assert track.holder
                assert track.holder != alert.id

    @invariant()
    def nobody_is_alerted_twice_for_one_step(self) -> None:
        asked = [(alert.track, alert.responder_id) for alert in self.incident.alerts]
        assert len(asked) == len(set(asked))

    @invariant()
    def the_incident_stands_where_its_lead_track_stands(self) -> None:
        expected = {
            State.RECEIVED: TrackState.PENDING,
            State.LOCATED: TrackState.ALERTING,
            State.ALERTING: TrackState.ALERTING,
            State.UNANSWERED: TrackState.UNANSWERED,
            State.ACKNOWLEDGED: TrackState.ACKNOWLEDGED,
            State.ON_SCENE: TrackState.ACKNOWLEDGED,
        }.get(self.incident.state, TrackState.ENDED)
        found = self.incident.lead.state
        # a lead track that ran out before anybody at all was alerted leaves the incident located no longer
        assert found is expected, (self.incident.state, found)

    def teardown(self) -> None:
        """Wherever it got to, the clock and one person at the national desk bring it to its end."""
        if hasattr(self, "incident"):
            assert brought_to_its_end(self.incident, self.now).state in ENDED


def _decided(incident: Incident, command: life.Command, now: datetime) -> Decision | Refused:
    try:
        return decide(incident, command, now)
    except Refused as refused:
        return refused


def _same(one: Decision | Refused, other: Decision | Refused) -> bool:
    if isinstance(one, Refused):
        return (type(one), str(one)) == (type(other), str(other))
    return one == other


def brought_to_its_end(incident: Incident, now: datetime) -> Incident:
    """What becomes of it where nobody answers any more but the national desk, and no operator touches it."""
    ids = count(1)
    for _ in range(500):
        if incident.state in ENDED:
            return incident
        incident = decide(incident, _next(incident, ids), now := _due(incident, now)).incident
    raise AssertionError(f"incident still {incident.state} after five hundred turns: {incident}")


def _due(incident: Incident, now: datetime) -> datetime:
    return max([now, *(due.due_at for due in sorted(incident.deadlines)[:1])])


def _next(incident: Incident, ids: Iterable[int]) -> life.Command:
    """What the desk says, else what the clock brings first."""
    lead, open_calls = incident.lead, [call for call in incident.follow_ups if not call.is_done]
    if incident.state is State.RESOLVED and open_calls:
        return life.ReportFollowUp(open_calls[0].id, OUTCOMES[open_calls[0].plan.kind][0])
    if incident.state is not State.RESOLVED and lead.holder:
        return life.Resolve(lead.holder)
    for alert in incident.alerts:
        desks = alert.track == lead.name and alert.role in NATIONAL_ROLES
        if lead.state is TrackState.UNANSWERED and desks and alert.state is AlertState.OPEN:
            return life.Accept(alert.id)
    deadline = min(incident.deadlines)
    match deadline.kind:
        case DeadlineKind.LOCATE:
            return life.Locate(None)
        case DeadlineKind.SELECT:
            track = incident.track(deadline.subject)
            desk = life.Chosen(an_id(f"desk {next(iter(ids))}"), DESK.id, DESK.role)
            chosen = (desk,) if incident.asks_last_resort(track.name) else ()
            return life.AlertResponders(deadline, track.asking, chosen)
        case DeadlineKind.OPEN_FOLLOW_UPS:
            return life.OpenFollowUps(
                tuple((an_id(f"last {plan.name}"), plan, SUPERVISOR.id) for plan in incident.policy.follow_ups)
            )
        case _:
            return life.PassDeadline(deadline)


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(stateful_step_count=40)


@pytest.mark.parametrize("state", State)
def test_every_state_can_reach_closed(state: State) -> None:
    reached, before = {state}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {to for (start, _), ends in TRANSITIONS.items() if start in before for to in ends}
    assert State.CLOSED in reached


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached(state: State) -> None:
    reached = {State.RECEIVED}
    for _ in State:
        reached |= {to for (start, _), ends in TRANSITIONS.items() if start in reached for to in ends}
    assert state in reached


def test_what_has_ended_is_touched_by_nobody_but_whoever_completes_the_record_and_the_reporter() -> None:
    commands = {command for (state, command) in TRANSITIONS if state in ENDED}
    assert commands == {life.Close, life.NameService, life.HearReporter}


@pytest.mark.parametrize("state", [state for state in State if state not in ENDED])
def test_what_is_in_nobodys_hand_is_taken_up_again(state: State) -> None:
    """It must never be; were it so all the same, it has a deadline again."""
    scene = Scene()
    tracks = tuple(replace(track, holder=None) for track in scene.incident.tracks)
    lost = replace(scene.incident, state=state, deadlines=frozenset(), tracks=tracks)
    assert not is_in_hand(lost)
    found = decide(lost, life.TakeInHand(), EVENING).incident
    assert is_in_hand(found)
    with pytest.raises(AlreadyRecorded):
        decide(found, life.TakeInHand(), EVENING)
