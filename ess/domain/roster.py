"""What the roster says of a responder, and what another edition of it would change.

The only place of the domain where addresses stand: a roster that could not say whom it reaches would be none.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta

from ess.domain.duty import NATIONAL_ROLES, Channel, Role
from ess.domain.errors import Refused

#: The area code of the whole country.
NATION = "TH"


def seat(province_code: str | None, district_code: str | None) -> tuple[str, ...]:
    """The jurisdiction of whoever names none: their district, else their province, else the whole country."""
    return (district_code or province_code or NATION,)


@dataclass(frozen=True)
class Entry:
    """One responder as the roster has them; the fields are the columns of its file."""

    ref: str
    name_th: str
    name_en: str
    agency: str
    role: Role
    province: str | None
    district: str | None
    latitude: float | None
    longitude: float | None
    #: E.164, or a hotline.
    phone: str | None
    #: None: none is known; one that was linked meanwhile stays.
    line_user_id: str | None
    #: In order of preference.
    channels: tuple[Channel, ...]
    active: bool
    #: DOPA codes of 2, 4 or 6 digits or `TH`, sorted; with an outline, the provinces that it touches.
    jurisdictions: tuple[str, ...]
    #: A ring of `(latitude, longitude)`, without its first corner again at the end.
    outline: tuple[tuple[float, float], ...] | None = None
    skills: frozenset[str] = frozenset()
    #: Open incidents at once; None: no limit.
    capacity: int | None = None
    rest: timedelta = timedelta()
    #: On leave until this instant (UTC).
    leave_until: datetime | None = None
    #: When the turn of each channel comes, in seconds after the alert; None: only where the one before fails.
    #: The column `channels` says both.
    channel_after_s: tuple[int, ...] | None = field(default=None, metadata={"column": "channels"})
    #: Columns that the file does not have: what is known already stays.
    unsaid: frozenset[str] = field(default=frozenset(), compare=False)

    def said(self, column: str) -> object:
        """What the file says of it in a column."""
        return (self.channels, self.channel_after_s) if column == "channels" else getattr(self, column)

    @property
    def is_plain(self) -> bool:
        """Their jurisdiction is their seat, and moves with it."""
        return self.outline is None and self.jurisdictions == seat(self.province, self.district)


#: The columns of the roster's file, in their order.
COLUMNS = tuple(column.name for column in fields(Entry) if column.compare and not column.metadata)


@dataclass(frozen=True)
class Change:
    """What is different about one responder."""

    before: Entry
    after: Entry

    @property
    def columns(self) -> tuple[str, ...]:
        """Those whose value changes."""
        return tuple(name for name in COLUMNS if self.before.said(name) != self.after.said(name))


@dataclass(frozen=True)
class Changes:
    """What becomes of the roster."""

    added: tuple[Entry, ...]
    changed: tuple[Change, ...]
    #: Not in the file: they become inactive.  Nobody is deleted, because incidents of the past name them.
    removed: tuple[Change, ...]
    #: Active and not in the file; they stay as they are.
    unmentioned: tuple[Entry, ...]
    n_same: int
    #: Everybody in the file, as they will be.
    named: tuple[Entry, ...]

    def without_base(self, roles: Container[Role]) -> list[Entry]:
        """Who of these roles is in the file and can never be near enough: no base is known, and no area drawn."""
        return [
            entry
            for entry in self.named
            if entry.active and entry.role in roles and entry.latitude is None and entry.outline is None
        ]


def changes(known: Iterable[Entry], wanted: Iterable[Entry], *, remove_missing: bool = False) -> Changes:
    """What makes the known roster the wanted one; each `ref` stands in either once at most.

    Refused where it would take the last active national desk or supervisor: nobody would be left when all others
    fail.
    """
    before = {entry.ref: entry for entry in known}
    after = {entry.ref: _updated(before.get(entry.ref), entry) for entry in wanted}
    missing = [entry for entry in before.values() if entry.active and entry.ref not in after]
    removed = tuple(Change(entry, replace(entry, active=False)) for entry in missing) if remove_missing else ()
    _keep_the_last_resort(before, before | after | {change.after.ref: change.after for change in removed})
    both = [Change(before[ref], entry) for ref, entry in after.items() if ref in before]
    changed = tuple(change for change in both if change.columns)
    return Changes(
        added=tuple(entry for ref, entry in after.items() if ref not in before),
        changed=changed,
        removed=removed,
        unmentioned=() if remove_missing else tuple(missing),
        n_same=len(both) - len(changed),
        named=tuple(after.values()),
    )


def _updated(known: Entry | None, entry: Entry) -> Entry:
    """The entry with what it leaves unsaid."""
    if known is None:
        return replace(entry, unsaid=frozenset())
    kept = {name: getattr(known, name) for name in entry.unsaid}
    if known.is_plain or not known.jurisdictions:
        kept.pop("jurisdictions", None)  # they go with the seat
    if entry.line_user_id is None:
        kept["line_user_id"] = known.line_user_id
    return replace(entry, **kept, unsaid=frozenset())


def _keep_the_last_resort(before: dict[str, Entry], after: dict[str, Entry]) -> None:
    lost = _active_roles(before) & NATIONAL_ROLES - _active_roles(after)
    if lost:
        names = " and no ".join(sorted(lost))
        raise Refused(f"no {names} would be left, whom alerts reach when all others fail: keep one active")


def _active_roles(entries: dict[str, Entry]) -> set[Role]:
    return {entry.role for entry in entries.values() if entry.active}
