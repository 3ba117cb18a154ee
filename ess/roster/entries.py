"""Rows of text → entries of the roster.

A file with any error is refused whole, and the refusal names every row and column that must be changed.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar

import phonenumbers

from ess import geo
from ess.conversation.texts import BANGKOK
from ess.domain.duty import NATIONAL_ROLES, Channel, Role, read_turns
from ess.domain.roster import COLUMNS, NATION, Entry, seat
from ess.geo.names import DISTRICT, PROVINCE, areas
from ess.roster.errors import RosterRefused
from ess.roster.outline import Ring, ring_of
from ess.written import duration, era_problem

T = TypeVar("T")

#: Files of before know only these; whatever else stands in `COLUMNS` may be left out.
REQUIRED = COLUMNS[: COLUMNS.index("active") + 1]
#: Say together where somebody is responsible: a file that has one of them has both.
_AREA = frozenset({"jurisdictions", "outline"})
#: What the first row may say instead.
_THAI = {
    "รหัส": "ref",
    "ชื่อ": "name_th",
    "ชื่ออังกฤษ": "name_en",
    "หน่วยงาน": "agency",
    "บทบาท": "role",
    "จังหวัด": "province",
    "อำเภอ": "district",
    "ละติจูด": "latitude",
    "ลองจิจูด": "longitude",
    "โทรศัพท์": "phone",
    "ไลน์": "line_user_id",
    "ช่องทาง": "channels",
    "ใช้งาน": "active",
    "เขตรับผิดชอบ": "jurisdictions",
    "แนวเขต": "outline",
    "ทักษะ": "skills",
    "รับได้พร้อมกัน": "capacity",
    "พัก": "rest",
    "ลาถึง": "leave_until",
}

_AGENCIES = frozenset({"police", "msdhs", "volunteer"})
_HOTLINES = frozenset({"191", "1300"})
#: Numbers of the sample: Thai national numbers never begin with 00, so these reach nobody.
_SAMPLE_PHONE = re.compile(r"^\+?(6600\d{7})$")
_LINE_USER = re.compile(r"^U[0-9a-f]{32}$")
#: Those that reach somebody.
_CHANNELS = (Channel.LINE, Channel.SMS, Channel.VOICE)
_SKILL = re.compile(r"^[a-z][a-z0-9_]{0,29}(:[a-z0-9_]{1,20})?$")
#: Refs of the units that are alerted by drills; they are in no file.
_DRILL = "DRILL-"
_LATITUDES, _LONGITUDES = (5.0, 21.0), (97.0, 106.0)
_MOST_INCIDENTS = 1_000
#: A choice looks no farther back for a call-out that ended.
_LONGEST_REST = timedelta(days=2)
_WHOLE_DAY = timedelta(days=1)

#: What a spreadsheet makes of a number that has no decimals.
_POINT_ZERO = re.compile(r"^(\d+)\.0+$")
_NUMBERS = frozenset({"province", "district", "phone", "capacity", "jurisdictions"})
_FORMULA = re.compile(r"^(=|#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|#+$))")
#: Spreadsheets take a text that begins so for a formula when they open the export.
_LIKE_A_FORMULA = ("=", "+", "-", "@")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")
#: Between cells, as other programs write them.
_OTHER_SEPARATORS = re.compile(r"[\t|]")
_SEPARATORS = re.compile(r"[\s;,]+")


@dataclass(frozen=True)
class Edition:
    """A roster's file, understood."""

    entries: tuple[Entry, ...]
    #: Columns that the engine does not know, and did not read.
    ignored: tuple[str, ...]
    #: Sheets of a workbook that were not read, because only the first is.
    unread: tuple[str, ...] = ()


# --- reading ---------------------------------------------------------------------------------------------
def edition(rows: Iterable[Sequence[str]]) -> Edition:
    """What the file says, its first row being the names of its columns; RosterRefused lists every problem."""
    numbered = enumerate(rows, start=1)
    _, head = next(numbered, (1, ()))
    names = [_THAI.get(name.strip(), name.strip().lower()) for name in head]
    _check_head(names)
    given = frozenset(COLUMNS) & {*names, *(_AREA if _AREA & {*names} else ())}
    entries: list[Entry] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, cells in numbered:
        if not any(cell.strip() for cell in cells):
            continue
        line = _Line(number, names, cells)
        entry = line.entry(frozenset(COLUMNS) - given)
        if entry.ref in seen:
            line.wrong("ref", f"{entry.ref} stands in row {seen[entry.ref]} already: each responder once")
        elif entry.ref:
            seen[entry.ref] = number
        entries.append(entry)
        problems += line.problems
    if problems:
        raise RosterRefused("\n".join(problems))
    return Edition(tuple(entries), tuple(name for name in names if name and name not in COLUMNS))


def _check_head(names: Sequence[str]) -> None:
    missing = [column for column in REQUIRED if column not in names]
    if not frozenset(COLUMNS) & {*names}:
        raise RosterRefused(f"row 1: {_no_head(names)}: start from `ess responders sample`")
    if missing:
        raise RosterRefused(f"row 1: no column {', '.join(missing)}: start from `ess responders sample`")
    twice = [column for column in COLUMNS if names.count(column) > 1]
    if twice:
        raise RosterRefused(f"row 1: column {', '.join(twice)} stands there twice: keep one")


def _no_head(names: Sequence[str]) -> str:
    """What to do where the first row names no column of ours; what it holds instead may be personal."""
    if len(names) == 1 and _OTHER_SEPARATORS.search(names[0]):
        return "its cells are separated neither by commas nor by semicolons: save it as `CSV UTF-8`, or as .xlsx"
    return f"must hold the names of the columns ({', '.join(REQUIRED)}), and the first responder stands in row 2"


class _Line:
    """One line of the file, and what is wrong with it."""

    def __init__(self, number: int, names: Sequence[str], cells: Sequence[str]) -> None:
        self._number = number
        self.problems: list[str] = []
        self._raw = dict.fromkeys(COLUMNS, "")
        for name, cell in zip(names, cells, strict=False):
            if name in self._raw:
                self._raw[name] = self._tidy(name, cell)
        if any(cell.strip() for cell in cells[len(names) :]):
            self.problems.append(f"row {number}: has more cells than there are columns: is a comma not in quotes?")

    def wrong(self, column: str, what: str) -> None:
        self.problems.append(f"row {self._number}, column {column}: {what}")

    def entry(self, unsaid: frozenset[str]) -> Entry:
        raw = self._raw
        for column in ("ref", "name_th", "name_en"):
            self._words(column)
        if raw["ref"].startswith(_DRILL):
            self.wrong("ref", f"begins with {_DRILL}, which is kept for the units of drills: choose another")
        if raw["agency"] not in _AGENCIES:
            self.wrong("agency", f"must be one of {', '.join(sorted(_AGENCIES))}")
        role = self._role()
        province, district = self._area(role)
        latitude, longitude = self._position()
        phone, line_user_id = self._phone(), self._line_user()
        channels, after_s = self._channels(phone, line_user_id)
        if raw["active"].lower() not in {"", "true", "false"}:
            self.wrong("active", "must be true or false")
        outline = self._read("outline", ring_of, None)
        return Entry(
            ref=raw["ref"],
            name_th=raw["name_th"],
            name_en=raw["name_en"],
            agency=raw["agency"],
            role=role,
            province=province,
            district=district,
            latitude=latitude,
            longitude=longitude,
            phone=phone,
            line_user_id=line_user_id,
            channels=channels,
            channel_after_s=after_s,
            active=raw["active"].lower() != "false",
            jurisdictions=self._jurisdictions(province, district, outline),
            outline=outline,
            skills=self._read("skills", _skills, frozenset()),
            capacity=self._read("capacity", _capacity, None),
            rest=self._read("rest", _rest, timedelta()),
            leave_until=self._read("leave_until", _leave_until, None),
            unsaid=unsaid,
        )

    def _tidy(self, column: str, cell: str) -> str:
        text = cell.strip()
        if _FORMULA.match(text):
            self.wrong(column, "holds a formula or its error: put the value there")
        return _POINT_ZERO.sub(r"\1", text) if column in _NUMBERS else text

    def _read(self, column: str, reader: Callable[[str], T], default: T) -> T:
        """What the reader makes of the cell; the default where that is empty, or wrong in the ValueError's words."""
        if not self._raw[column]:
            return default
        try:
            return reader(self._raw[column])
        except ValueError as error:
            self.wrong(column, str(error))
            return default

    def _words(self, column: str) -> None:
        text = self._raw[column]
        if not text:
            self.wrong(column, "is empty: fill it in")
        elif _UNSEEN.search(text):
            self.wrong(column, "has a line break or a character that cannot be seen: type it anew")
        elif text.startswith(_LIKE_A_FORMULA) and not _FORMULA.match(text):
            self.wrong(column, "begins like a formula: begin with a letter or a digit")

    def _role(self) -> Role:
        try:
            return Role(self._raw["role"])
        except ValueError:
            self.wrong("role", f"must be one of {', '.join(Role)}")
            return Role.VOLUNTEER

    def _area(self, role: Role) -> tuple[str | None, str | None]:
        province, district = self._raw["province"], self._raw["district"]
        if not province:
            if role not in NATIONAL_ROLES:
                self.wrong("province", "is empty: give the two-digit code, such as 65")
            elif district:
                self.wrong("province", f"is empty, and district is {district}: give the district's province")
            return None, None
        if len(province) != PROVINCE or province not in areas():
            self.wrong("province", "is not the two-digit code of a province, such as 65")
            return None, None
        if not district:
            return province, None
        if len(district) != DISTRICT or district not in areas() or not district.startswith(province):
            self.wrong("district", f"is not the four-digit code of a district of province {province}")
            return province, None
        return province, district

    def _jurisdictions(self, province: str | None, district: str | None, outline: Ring | None) -> tuple[str, ...]:
        if self._raw["jurisdictions"] and self._raw["outline"]:
            self.wrong("outline", "stands beside jurisdictions: give the one or the other")
        elif outline:
            touched = geo.provinces_near(outline)
            if not touched:
                self.wrong("outline", "touches no province of Thailand")
            return touched
        return self._read("jurisdictions", _codes, seat(province, district))

    def _position(self) -> tuple[float | None, float | None]:
        if not self._raw["latitude"] and not self._raw["longitude"]:
            return None, None
        try:
            latitude, longitude = float(self._raw["latitude"]), float(self._raw["longitude"])
        except ValueError:
            self.wrong("latitude", "latitude and longitude must both be numbers, or both empty")
            return None, None
        if not (_LATITUDES[0] <= latitude <= _LATITUDES[1] and _LONGITUDES[0] <= longitude <= _LONGITUDES[1]):
            self.wrong("latitude", "is not in Thailand: degrees, latitude 5 to 21 and longitude 97 to 106")
        return latitude, longitude

    def _phone(self) -> str | None:
        raw = self._raw["phone"]
        if not raw or raw in _HOTLINES:
            return raw or None
        if sample := _SAMPLE_PHONE.match(raw):
            return f"+{sample[1]}"
        try:
            number = phonenumbers.parse(raw, "TH")
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_valid_number(number):
            self.wrong("phone", "is not a phone number: write it such as 081 234 5678 or +66812345678")
            return None
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    def _line_user(self) -> str | None:
        raw = self._raw["line_user_id"]
        if raw and not _LINE_USER.match(raw):
            self.wrong("line_user_id", "is not a LINE user id: U and 32 digits or letters a to f")
            return None
        return raw or None

    def _channels(
        self, phone: str | None, line_user_id: str | None
    ) -> tuple[tuple[Channel, ...], tuple[int, ...] | None]:
        try:
            channels, after_s = read_turns(" ".join(_SEPARATORS.split(self._raw["channels"])))
        except ValueError as error:
            self.wrong("channels", f"{error}; there are {', '.join(_CHANNELS)}, the preferred one first")
            return (), None
        by_phone = next((channel for channel in channels if channel is not Channel.LINE), None)
        if by_phone and not phone:
            self.wrong("channels", f"names {by_phone}, and column phone has no address for it")
        elif channels == (Channel.LINE,) and not line_user_id:
            # Beside sms it may stand without one, until the account is linked.
            self.wrong("channels", "names line alone, and column line_user_id has no address for it: add sms")
        return channels, after_s


def _codes(text: str) -> tuple[str, ...]:
    codes = {code.upper() for code in _SEPARATORS.split(text) if code}
    unknown = sorted(code for code in codes if code != NATION and code not in areas())
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)}: no code of a province (2 digits), district (4), sub-district (6) or TH"
        )
    if not codes:
        raise ValueError("must be codes with spaces between them, such as `6501 6502`")
    return tuple(sorted(codes))


def _skills(text: str) -> frozenset[str]:
    skills = frozenset(skill for skill in _SEPARATORS.split(text.lower()) if skill)
    wrong = sorted(skill for skill in skills if not _SKILL.match(skill))
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: write skills such as `children sign_language lang:my`")
    return skills


def _capacity(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= _MOST_INCIDENTS:
        raise ValueError(f"must be a whole number from 1 to {_MOST_INCIDENTS}, or empty for no limit")
    return int(text)


def _rest(text: str) -> timedelta:
    rest = duration(text)
    if rest > _LONGEST_REST or rest.microseconds:
        raise ValueError(f"must be whole seconds, and {_LONGEST_REST.days} d at most")
    return rest


def _leave_until(text: str) -> datetime:
    """Bangkok's time where it names none; a day counts to its end."""
    try:
        said = datetime.fromisoformat(text)
        is_day = _is_day(text)
    except ValueError:
        raise ValueError("must be a day such as 2026-12-24, which counts to its end, or 2026-12-24 18:00") from None
    if wrong := era_problem(said.year):
        raise ValueError(wrong)
    until = datetime.combine(said.date() + _WHOLE_DAY, time()) if is_day else said
    return until if until.tzinfo else until.replace(tzinfo=BANGKOK)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
