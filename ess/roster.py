"""The roster as a CSV file: the sample of a whole nation, and the reading of a real one.

A file with any error is refused whole, and the refusal names every row and column that must be changed.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import geothai
import phonenumbers

from ess import geo
from ess.domain.duty import NATIONAL_ROLES, Channel, Role, read_turns
from ess.domain.errors import Refused

COLUMNS = (
    *("ref", "name_th", "name_en", "agency", "role", "province", "district"),
    *("latitude", "longitude", "phone", "line_user_id", "channels", "active"),
)
_AGENCIES = frozenset({"police", "msdhs", "volunteer"})
_HOTLINES = frozenset({"191", "1300"})
#: Numbers of the sample: Thai national numbers never begin with 00, so these reach nobody.
_SAMPLE_PHONE = re.compile(r"^\+6600\d{7}$")
_LINE_USER = re.compile(r"^U[0-9a-f]{32}$")
#: Those that reach somebody.
_CHANNELS = (Channel.LINE, Channel.SMS, Channel.VOICE)
_BANGKOK = "10"


@dataclass(frozen=True)
class ResponderRow:
    """One line of the file, understood."""

    ref: str
    name_th: str
    name_en: str
    agency: str
    role: Role
    province: str | None
    district: str | None
    latitude: float | None
    longitude: float | None
    phone: str | None
    line_user_id: str | None
    channels: tuple[Channel, ...]
    active: bool = True
    #: Seconds after the alert at which each channel's turn comes; None: only where the one before fails.
    channel_after_s: tuple[int, ...] | None = None


class RosterRefused(Refused):
    """The file has errors, and nothing of it was taken; the text lists each with its row and column."""


# --- the sample ------------------------------------------------------------------------------------------
def sample_csv() -> str:
    """A nationwide roster of plainly fictional units: the same on every call."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, row in enumerate(_sample()):
        identity = hashlib.sha256(row["ref"].encode()).hexdigest()[:32]
        reach = {"phone": f"+6600{number + 1:07d}", "line_user_id": f"U{identity}", "channels": "line sms"}
        if row["role"] == Role.RADIO_191:
            reach |= {"line_user_id": "", "channels": "sms"}
        writer.writerow({"active": "true", **reach, **row})
    return out.getvalue()


def _sample() -> Iterator[dict[str, Any]]:
    yield _unit("ND-1", "ศูนย์ประสานงานส่วนกลาง (ตัวอย่าง)", "National Desk (sample)", "msdhs", Role.NATIONAL_DESK)
    for i in (1, 2):
        yield _unit(f"SV-{i}", f"ผู้ควบคุมเวร {i} (ตัวอย่าง)", f"Supervisor {i} (sample)", "msdhs", Role.SUPERVISOR)
    for province in geothai.provinces():
        th = province.name_th if province.code == _BANGKOK else f"จังหวัด{province.name_th}"
        yield from _sample_of(province.code, th, province.name_en)


def _sample_of(code: str, th: str, en: str) -> Iterator[dict[str, Any]]:
    yield _unit(f"R191-{code}", f"ศูนย์วิทยุ 191 {th}", f"{en} 191 Radio Centre (sample)", "police", Role.RADIO_191, code)
    yield _unit(f"OH-{code}", f"ทีม One Home {th}", f"{en} One Home Team (sample)", "msdhs", Role.ONE_HOME, code)
    for i in (1, 2):
        name_th, name_en = f"นักสังคมสงเคราะห์ {i} {th} (ตัวอย่าง)", f"{en} Social Worker {i} (sample)"
        yield _unit(f"SW-{code}-{i}", name_th, name_en, "msdhs", Role.SOCIAL_WORKER, code)
    for district in geothai.districts(code):
        short = district.name_th.removeprefix("เขต")
        name_th = f"สน.{short}" if code == _BANGKOK else f"สภ.{short}"
        name_en = f"{district.name_en} Police Station (sample)"
        station = _unit(f"PS-{district.code}", name_th, name_en, "police", Role.POLICE_STATION, code, district.code)
        at = geo.district_position(district.code)
        yield {**station, "latitude": at[0], "longitude": at[1]} if at else station


def _unit(
    ref: str, name_th: str, name_en: str, agency: str, role: Role, province: str = "", district: str = ""
) -> dict[str, Any]:
    return {
        "ref": ref,
        "name_th": name_th,
        "name_en": name_en,
        "agency": agency,
        "role": role,
        "province": province,
        "district": district,
        "latitude": "",
        "longitude": "",
    }


# --- reading ---------------------------------------------------------------------------------------------
def parse_csv(text: str) -> list[ResponderRow]:
    """The rows of a roster; RosterRefused lists every problem of the file.

    Comma or semicolon as separator, with or without a byte order mark.
    """
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        names = reader.fieldnames or ()
    except csv.Error as error:
        raise RosterRefused(f"row 1: {error}: is a quotation mark left open?") from error
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise RosterRefused(f"row 1: no column {', '.join(missing)}: start from `ess responders sample`")
    rows: list[ResponderRow] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for raw in _lines(reader):
        line = _Line(reader.line_num, raw)
        row = line.read()
        if row.ref in seen:
            line.wrong("ref", f"{row.ref} stands in row {seen[row.ref]} already: each responder once")
        seen[row.ref] = reader.line_num
        rows.append(row)
        problems += line.problems
    if problems:
        raise RosterRefused("\n".join(problems))
    return rows


def _lines(reader: "csv.DictReader[str]") -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise RosterRefused(f"row {reader.line_num}: {error}: is a quotation mark left open?") from error


def values(row: ResponderRow) -> dict[str, Any]:
    """The columns of the row in the database."""
    found = asdict(row)
    found["province_code"], found["district_code"] = found.pop("province"), found.pop("district")
    found["channels"] = list(row.channels)
    found["channel_after_s"] = list(row.channel_after_s) if row.channel_after_s else None
    return found


@cache
def _districts() -> dict[str, frozenset[str]]:
    """The codes of each province's districts."""
    return {
        province.code: frozenset(district.code for district in geothai.districts(province.code))
        for province in geothai.provinces()
    }


class _Line:
    """One line of the file, and what is wrong with it."""

    def __init__(self, number: int, raw: Mapping[str, str | None]) -> None:
        self._number = number
        self._raw = {column: (raw.get(column) or "").strip() for column in COLUMNS}
        self.problems: list[str] = []

    def wrong(self, column: str, what: str) -> None:
        self.problems.append(f"row {self._number}, column {column}: {what}")

    def read(self) -> ResponderRow:
        raw = self._raw
        for column in ("ref", "name_th", "name_en"):
            if not raw[column]:
                self.wrong(column, "is empty: fill it in")
        if raw["agency"] not in _AGENCIES:
            self.wrong("agency", f"must be one of {', '.join(sorted(_AGENCIES))}")
        role = self._role()
        province, district = self._area(role)
        latitude, longitude = self._position()
        phone, line_user_id = self._phone(), self._line_user()
        channels, after_s = self._channels(phone, line_user_id)
        if raw["active"].lower() not in {"", "true", "false"}:
            self.wrong("active", "must be true or false")
        return ResponderRow(
            raw["ref"],
            raw["name_th"],
            raw["name_en"],
            raw["agency"],
            role,
            province,
            district,
            latitude,
            longitude,
            phone,
            line_user_id,
            channels,
            raw["active"].lower() != "false",
            after_s,
        )

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
            return None, None
        if province not in _districts():
            self.wrong("province", "is not the two-digit code of a province, such as 65")
            return None, None
        if not district:
            return province, None
        if district not in _districts()[province]:
            self.wrong("district", f"is not the four-digit code of a district of province {province}")
            return province, None
        return province, district

    def _position(self) -> tuple[float | None, float | None]:
        if not self._raw["latitude"] and not self._raw["longitude"]:
            return None, None
        try:
            latitude, longitude = float(self._raw["latitude"]), float(self._raw["longitude"])
        except ValueError:
            self.wrong("latitude", "latitude and longitude must both be numbers, or both empty")
            return None, None
        if not (5 <= latitude <= 21 and 97 <= longitude <= 106):
            self.wrong("latitude", "is not in Thailand: degrees, latitude 5 to 21 and longitude 97 to 106")
        return latitude, longitude

    def _phone(self) -> str | None:
        raw = self._raw["phone"]
        if not raw or raw in _HOTLINES or _SAMPLE_PHONE.match(raw):
            return raw or None
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
            channels, after_s = read_turns(self._raw["channels"])
        except ValueError as error:
            about = f"{error}; name one or more of {', '.join(_CHANNELS)}, the preferred one first"
            self.wrong("channels", about)
            return (), None
        address = {Channel.LINE: line_user_id, Channel.SMS: phone, Channel.VOICE: phone}
        for name in channels:
            if not address[name]:
                column = "line_user_id" if name is Channel.LINE else "phone"
                self.wrong("channels", f"names {name}, and column {column} has no address for it")
        return channels, after_s
