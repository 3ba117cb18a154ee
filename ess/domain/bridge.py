"""Whether a social worker may be connected with a victim by the engine, and what becomes of the call.

The engine rings the social worker first; who presses 1 is connected with the phone that reported, and neither sees
the other's number.  It is decided twice, when they ask for it and when they press: between the two the victim may
have changed their mind.  No number is needed to decide.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ess.domain.calling_hours import ANY_TIME, CallingHours
from ess.domain.follow_up import FollowUp, hours_of
from ess.domain.incident import Incident
from ess.domain.report import Contact

#: How often the victim's leg is asked about before it is given up, once a second: above what the provider needs to
#: tell a person from a machine.
MAX_TURNS = 12


class Obstacle(StrEnum):
    """Why nobody is connected, in the order in which it is looked for; the key of what is said then."""

    #: Somebody else has the follow-up now.
    NOT_THEIRS = "not_theirs"
    #: The incident is closed.
    OVER = "over"
    #: The call was reported already.
    REPORTED = "reported"
    #: A visit is made by going there.
    VISIT = "visit"
    #: One of the reports does not allow a call.
    NOT_WISHED = "not_wished"
    #: A reporter said that they are in danger: nobody calls back.
    IN_DANGER = "in_danger"
    #: Nobody who reported gave a phone, or only the caller's own.
    NO_PHONE = "no_phone"
    #: The caller has no phone in the roster.
    NO_OWN_PHONE = "no_own_phone"
    #: The engine has no number that can call.
    NO_NUMBER = "no_number"
    #: Victims are not called at this hour.
    OUT_OF_HOURS = "out_of_hours"
    #: They asked already, and that call is not over.
    UNDER_WAY = "under_way"


@dataclass(frozen=True)
class Ends:
    """What is known of both ends of the call that was asked for."""

    #: The wish that binds most, of all reports.
    wish: Contact
    in_danger: bool
    has_victims_phone: bool
    has_own_phone: bool
    #: The follow-up is theirs to make, or it has gone to them as a supervisor.
    is_theirs: bool
    #: The engine has a number to call from, which is what both see.
    has_number: bool
    is_under_way: bool = False


def obstacle(
    incident: Incident, follow_up: FollowUp, ends: Ends, now: datetime, hours: CallingHours = ANY_TIME
) -> Obstacle | None:
    """The first thing that stands against connecting them at `now` (UTC); None where nothing does."""
    against = {
        Obstacle.NOT_THEIRS: not ends.is_theirs,
        Obstacle.OVER: not incident.is_open,
        Obstacle.REPORTED: follow_up.is_done,
        Obstacle.VISIT: follow_up.is_visit,
        Obstacle.NOT_WISHED: ends.wish is not Contact.ANY,
        Obstacle.IN_DANGER: ends.in_danger,
        Obstacle.NO_PHONE: not ends.has_victims_phone,
        Obstacle.NO_OWN_PHONE: not ends.has_own_phone,
        Obstacle.NO_NUMBER: not ends.has_number,
        Obstacle.OUT_OF_HOURS: not hours_of(follow_up.plan, hours).has(now),
        Obstacle.UNDER_WAY: ends.is_under_way,
    }
    return next((each for each in Obstacle if against[each]), None)


class Leg(StrEnum):
    """What happens on the victim's side after somebody, or something, has picked up."""

    #: Silence: nobody knows yet who picked up.
    WAIT = "wait"
    CONNECT = "connect"
    HANG_UP = "hang_up"


def leg(answered_by: str | None, turn: int) -> Leg:
    """Whom to connect: a person alone; what may be a machine hears nothing, and so does whoever nobody can tell.

    `answered_by` is the provider's word, None while it has not said; `turn` counts from 1.
    """
    if answered_by is None:
        return Leg.WAIT if turn < MAX_TURNS else Leg.HANG_UP
    return Leg.CONNECT if answered_by == "human" else Leg.HANG_UP


class Ending(StrEnum):
    """What became of the victim's side of the call."""

    #: The two could talk.
    BRIDGED = "bridged"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    #: A machine picked up, or nobody could tell that it was a person.
    MACHINE = "machine"
    #: Whoever called hung up first.
    GIVEN_UP = "given_up"
    FAILED = "failed"


_ENDINGS = {
    "no-answer": Ending.NO_ANSWER,
    "busy": Ending.BUSY,
    "canceled": Ending.GIVEN_UP,
    "completed": Ending.MACHINE,
    "answered": Ending.MACHINE,
}


def ending(status: str, *, was_bridged: bool) -> Ending:
    """What the provider's word for the victim's side means."""
    how = _ENDINGS.get(status, Ending.FAILED)
    return Ending.BRIDGED if was_bridged and how is Ending.MACHINE else how
