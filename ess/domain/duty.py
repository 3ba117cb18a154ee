"""Responders: who can be alerted, for which area, over which channels, and who is on call."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a responder is asked for."""

    POLICE_STATION = "police_station"
    RADIO_191 = "radio_191"
    ONE_HOME = "one_home"
    SOCIAL_WORKER = "social_worker"
    VOLUNTEER = "volunteer"
    NATIONAL_DESK = "national_desk"
    SUPERVISOR = "supervisor"


#: Roles that work for the whole country and therefore have no province.
NATIONAL_ROLES = frozenset({Role.NATIONAL_DESK, Role.SUPERVISOR})


class Channel(StrEnum):
    """A way to reach somebody, named by its technology."""

    LINE = "line"
    SMS = "sms"
    #: Reaches nobody: for units that exist only to be alerted by drills.
    DRILL = "drill"


@dataclass(frozen=True)
class Responder:
    """A person or unit that can be alerted.  Addresses stay in the store: the core needs only `channels`."""

    id: UUID
    ref: str
    name: str
    role: Role
    province_code: str | None = None
    district_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    #: In order of preference, only those with an address that is known to work.
    channels: tuple[Channel, ...] = ()
    #: What they can beside their role.
    skills: frozenset[str] = frozenset()
    #: Open incidents at once; None: no limit.
    capacity: int | None = None
    #: After a call-out ended.
    rest: timedelta = timedelta()
    #: DOPA codes of 2, 4 or 6 digits, or `TH`.
    jurisdictions: tuple[str, ...] = ()
    #: A drawn area, where codes do not say it.
    outline: tuple[tuple[float, float], ...] | None = None
    active: bool = True
    #: On leave until this instant (UTC); None when at work.
    leave_until: datetime | None = None
    #: Why their rota does not have them on duty now; None: on duty, or in no rota.
    off_duty: str | None = None


def is_on_call(responder: Responder, at: datetime) -> bool:
    """Whether the responder may be alerted at that instant."""
    return responder.active and (responder.leave_until is None or responder.leave_until <= at)
