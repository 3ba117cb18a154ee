"""What came in: one message about something that happens to somebody."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class IncidentType(StrEnum):
    """The five types that the public service offers, one per report (thaigov.go.th news 66993)."""

    ASSAULT = "assault"
    CONFINEMENT = "confinement"
    SEXUAL_ABUSE_RISK = "sexual_abuse_risk"
    RUNNING_AMOK = "running_amok"
    GATHERING = "gathering"


class Contact(StrEnum):
    """How the reporter may be contacted.  Silence is the default: a phone that lights up can harm."""

    ANY = "any"
    TEXT_ONLY = "text_only"
    NONE = "none"


#: From the wish that binds most to the one that binds least.
_STRICTEST = (Contact.NONE, Contact.TEXT_ONLY, Contact.ANY)


def strictest(wishes: Iterable[Contact]) -> Contact:
    """The wish that binds most; where there is none nobody is contacted."""
    return min(wishes, key=_STRICTEST.index, default=Contact.NONE)


class Source(StrEnum):
    """Which door a report came in by."""

    LINE = "line"
    API = "api"
    TASK = "task"


@dataclass(frozen=True)
class Location:
    """Where, as the reporter put it: a pin (WGS 84 degrees), or the words of an address, or both."""

    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    address: str | None = None

    @property
    def has_pin(self) -> bool:
        """Whether a point on the map was given."""
        return self.latitude is not None and self.longitude is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said about the place."""
        return not self.has_pin and not self.address


@dataclass(frozen=True)
class Reporter:
    """Who reported, as far as they said; all of it is personal data."""

    phone: str | None = None
    name: str | None = None
    contact: Contact = Contact.NONE
    #: They said so themselves; else silence is assumed.
    contact_said: bool = False
    line_user_id: str | None = None


@dataclass(frozen=True)
class Report:
    """One report, validated at the edge."""

    type: IncidentType
    source: Source
    location: Location = Location()
    reporter: Reporter = Reporter()
    description: str | None = None
    victim_is_minor: bool | None = None
    #: When it happened or was noticed, by the reporter's account; UTC.
    reported_at: datetime | None = None
    #: The intake service's own number for it.
    external_id: str | None = None
