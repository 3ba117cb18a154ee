"""Responders: who can be alerted, for which area, over which channels, and who is on call."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ess.domain.reason import Phrase


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
    #: A call that a digit answers; it rings, so it is for alerts to responders, and for who asked to be called.
    VOICE = "voice"
    #: Reaches nobody: for units that exist only to be alerted by drills.
    DRILL = "drill"


#: What a roster's column says of one channel.
_TURN = re.compile(r"(?P<channel>line|sms|voice)(\+(?P<wait>\d{1,4})s?)?")


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
    off_duty: Phrase | None = None
    #: Open incidents that they have taken.
    busy: int = 0
    #: Open incidents that they are asked for and have not answered.
    asked: int = 0
    #: At the place of an open incident.
    on_scene: bool = False
    #: When their last call-out ended (UTC); None: none lately, or they need no rest.
    free_since: datetime | None = None
    #: When they were last alerted (UTC), for whatever incident.
    last_alerted_at: datetime | None = None
    #: By road from their base to the incident's neighbourhood; None: not known.
    minutes: float | None = None
    #: Known: no road leads there.
    roadless: bool = False


def is_on_call(responder: Responder, at: datetime) -> bool:
    """Whether the responder may be alerted at that instant."""
    return responder.active and (responder.leave_until is None or responder.leave_until <= at)


def read_turns(text: str) -> tuple[tuple[Channel, ...], tuple[int, ...] | None]:
    """Channels in order and, where they are given, the seconds after the alert at which each one's turn comes.

    `line sms` → no turns, the next one only where one fails; `line sms+20s voice+45s` → `(0, 20, 45)`.  ValueError
    says what is wrong with it.
    """
    found = [_TURN.fullmatch(word) for word in text.lower().split()]
    if not found or None in found:
        raise ValueError("write channels with spaces between them, such as: line sms+20s voice+45s")
    channels = tuple(Channel(match["channel"]) for match in found if match)
    waits = [match["wait"] for match in found if match]
    if len(set(channels)) < len(channels):
        raise ValueError("names a channel twice")
    if not any(waits):
        return channels, None
    turns = tuple(int(wait or 0) for wait in waits)
    if waits[0] or None in waits[1:] or list(turns) != sorted(turns):
        raise ValueError("the first channel asks at once, and each that follows says after how long, later and later")
    return channels, turns


def write_turns(channels: Sequence[Channel], after_s: Sequence[int] | None) -> str:
    """What `read_turns` reads as this."""
    if after_s is None:
        return " ".join(channels)
    later = zip(channels[1:], after_s[1:], strict=True)
    return " ".join([channels[0], *(f"{channel}+{wait}s" for channel, wait in later)])


def turns_after(
    first: Channel, channels: Sequence[Channel], after_s: Mapping[Channel, int] | None, default: Mapping[Channel, int]
) -> tuple[tuple[Channel, timedelta], ...]:
    """The channels that follow the one that asks first, each with how long after the alert; in their order.

    Where the responder's own row does not say, the default does; a channel that neither knows follows none.
    """
    known = default if after_s is None else after_s
    later = channels[channels.index(first) + 1 :] if first in channels else ()
    return tuple((channel, timedelta(seconds=known[channel])) for channel in later if channel in known)
