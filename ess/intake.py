"""A report as other programs send it: the body of `POST /v1/reports` and of the task `ess.accept_report`."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import reduce
from operator import getitem
from typing import Annotated, Any

import phonenumbers
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ess.domain.report import Contact, IncidentType, Location, Report, Reporter, Source


def _without_nul(text: str) -> str:
    if "\x00" in text:  # the one character that PostgreSQL cannot hold
        raise ValueError("holds the character U+0000: leave it out")
    return text


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is at the edge of what a calendar holds: check the year, or leave it out") from None


_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000), AfterValidator(_without_nul)]
_Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_without_nul)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LocationBody(_Body):
    """A pin in WGS 84 degrees, or an address in words, or both."""

    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    #: JSON knows no infinity, but Python reads it, and no column of PostgreSQL holds it.
    accuracy_m: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    address: _Text | None = None

    @model_validator(mode="after")
    def _whole_pin(self) -> "LocationBody":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("a pin needs both latitude and longitude")
        return self

    def location(self) -> Location:
        """As the domain knows it."""
        return Location(self.latitude, self.longitude, self.accuracy_m, self.address or None)


class ReporterBody(_Body):
    """Who reports; `contact` is silence unless they say otherwise."""

    phone: _Short | None = None
    name: _Short | None = None
    contact: Contact = Contact.NONE

    @field_validator("phone")
    @classmethod
    def _e164(cls, phone: str | None) -> str | None:
        if not phone:
            return None
        try:
            number = phonenumbers.parse(phone, "TH")
        except phonenumbers.NumberParseException as error:
            raise ValueError("is not a phone number: write it such as 081 234 5678 or +66812345678") from error
        if not phonenumbers.is_possible_number(number):
            raise ValueError("has too few or too many digits for a phone number")
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


class ReportBody(_Body):
    """One report about something that happens to somebody."""

    type: IncidentType
    location: LocationBody | None = None
    description: _Text | None = None
    reporter: ReporterBody | None = None
    victim_is_minor: bool | None = None
    reported_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None
    external_id: _Short | None = None

    def report(self, source: Source) -> Report:
        """As the domain knows it."""
        reporter = self.reporter or ReporterBody()
        return Report(
            type=self.type,
            source=source,
            location=(self.location or LocationBody()).location(),
            reporter=Reporter(
                reporter.phone, reporter.name, reporter.contact, contact_said="contact" in reporter.model_fields_set
            ),
            description=self.description,
            victim_is_minor=self.victim_is_minor,
            reported_at=self.reported_at,
            external_id=self.external_id,
        )


class ReportTask(ReportBody):
    """The kwarg `report` of `ess.accept_report`: the body and its key."""

    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_without_nul)]

    @classmethod
    def read(cls, report: Mapping[str, Any]) -> tuple["ReportTask", list[str]]:
        """The report, and the names of fields that this release does not know.

        Whoever enqueued it may be newer than this worker and cannot be told: such fields are left out, because a
        report without them is better than none.  ValidationError where that is not all that is wrong.
        """
        try:
            return cls.model_validate(report), []
        except ValidationError as error:
            unknown = [found["loc"] for found in error.errors() if found["type"] == "extra_forbidden"]
        return cls.model_validate(_without(report, unknown)), [".".join(map(str, path)) for path in unknown]


def _without(report: Mapping[str, Any], paths: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """A copy without the fields at these paths."""
    copy: dict[str, Any] = deepcopy(dict(report))
    for *parents, name in paths:
        reduce(getitem, parents, copy).pop(name)  # type: ignore[arg-type]
    return copy
