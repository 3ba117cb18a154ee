"""A nationwide roster of plainly fictional units, with numbers that reach nobody."""

import hashlib
from collections.abc import Iterator
from typing import Any

import geothai

from ess import geo
from ess.domain.duty import Role
from ess.domain.roster import COLUMNS
from ess.roster.cells import to_csv

_BANGKOK = "10"
#: What is spoken on the other side of the border, beside Thai.
_NEIGHBOURS = {
    "lang:my": "50 55 57 58 63 70 71 76 77 85",
    "lang:lo": "34 37 38 39 41 42 43 48 49 54 56 65",
    "lang:km": "22 23 27 31 32 33",
    "lang:ms": "90 91 94 95 96",
}
_SPOKEN = {code: language for language, codes in _NEIGHBOURS.items() for code in codes.split()}


def sample_csv() -> str:
    """The roster as CSV: the same on every call."""
    return to_csv([COLUMNS, *([str(row.get(column, "")) for column in COLUMNS] for row in _reachable())])


def _reachable() -> Iterator[dict[str, Any]]:
    for number, row in enumerate(_sample()):
        identity = hashlib.sha256(row["ref"].encode()).hexdigest()[:32]
        reach = {"phone": f"+6600{number + 1:07d}", "line_user_id": f"U{identity}", "channels": "line sms"}
        if row["role"] == Role.RADIO_191:
            reach |= {"line_user_id": "", "channels": "sms"}
        yield {"active": "true", **reach, **row}


def _sample() -> Iterator[dict[str, Any]]:
    yield _unit("ND-1", "ศูนย์ประสานงานส่วนกลาง (ตัวอย่าง)", "National Desk (sample)", "msdhs", Role.NATIONAL_DESK)
    for i in (1, 2):
        yield _unit(f"SV-{i}", f"ผู้ควบคุมเวร {i} (ตัวอย่าง)", f"Supervisor {i} (sample)", "msdhs", Role.SUPERVISOR)
    for province in geothai.provinces():
        th = province.name_th if province.code == _BANGKOK else f"จังหวัด{province.name_th}"
        yield from _sample_of(province.code, th, province.name_en)


def _sample_of(code: str, th: str, en: str) -> Iterator[dict[str, Any]]:
    yield _unit(f"R191-{code}", f"ศูนย์วิทยุ 191 {th}", f"{en} 191 Radio Centre (sample)", "police", Role.RADIO_191, code)
    one_home = _unit(f"OH-{code}", f"ทีม One Home {th}", f"{en} One Home Team (sample)", "msdhs", Role.ONE_HOME, code)
    yield one_home | {"skills": f"children {_SPOKEN.get(code, '')}".strip(), "capacity": 4, "rest": "30 min"}
    for i in (1, 2):
        name_th, name_en = f"นักสังคมสงเคราะห์ {i} {th} (ตัวอย่าง)", f"{en} Social Worker {i} (sample)"
        worker = _unit(f"SW-{code}-{i}", name_th, name_en, "msdhs", Role.SOCIAL_WORKER, code)
        yield worker | {"skills": "children" if i == 1 else "mental_health sign_language", "capacity": 20}
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
    }
