"""The roster as a file: a sample of the whole country that reaches nobody, and a reading that forgives nothing."""

import csv
import io
from collections import Counter
from functools import cache

import geothai
import phonenumbers
import pytest

from ess.domain.duty import NATIONAL_ROLES, Channel, Role
from ess.domain.errors import Refused
from ess.roster import COLUMNS, ResponderRow, RosterRefused, parse_csv, sample_csv, values

N_PROVINCES, N_DISTRICTS = 77, 928
PROVINCES = {
    province.code: {district.code for district in geothai.districts(province.code)} for province in geothai.provinces()
}


@cache
def sample() -> tuple[ResponderRow, ...]:
    return tuple(parse_csv(sample_csv()))


def of(role: Role) -> list[ResponderRow]:
    """Those of the sample who have that role."""
    return [row for row in sample() if row.role is role]


# --- the sample ------------------------------------------------------------------------------------------
def test_every_district_has_a_police_station() -> None:
    stations = of(Role.POLICE_STATION)
    assert len(stations) == N_DISTRICTS
    assert {(row.province, row.district) for row in stations} == {
        (province, district) for province, districts in PROVINCES.items() for district in districts
    }


def test_nearly_every_station_stands_on_the_map() -> None:
    placed = [row for row in of(Role.POLICE_STATION) if row.latitude and row.longitude]
    assert len(placed) > 0.95 * N_DISTRICTS


@pytest.mark.parametrize("role", [Role.ONE_HOME, Role.RADIO_191])
def test_every_province_has_one_home_and_a_191_centre(role: Role) -> None:
    assert Counter(row.province for row in of(role)) == dict.fromkeys(PROVINCES, 1)
    assert len(of(role)) == N_PROVINCES


def test_every_province_has_social_workers() -> None:
    workers = Counter(row.province for row in of(Role.SOCIAL_WORKER))
    assert set(workers) == set(PROVINCES)
    assert min(workers.values()) >= 2


def test_there_is_a_national_desk_and_more_than_one_supervisor() -> None:
    assert len(of(Role.NATIONAL_DESK)) == 1
    assert len(of(Role.SUPERVISOR)) > 1
    assert all(row.province is None for row in sample() if row.role in NATIONAL_ROLES)


def test_everybody_of_the_sample_is_on_call_and_can_be_reached() -> None:
    assert all(row.active and row.channels for row in sample())
    assert {row.channels for row in of(Role.RADIO_191)} == {(Channel.SMS,)}
    assert {row.channels for row in of(Role.POLICE_STATION)} == {(Channel.LINE, Channel.SMS)}


def test_no_number_of_the_sample_is_anybodys() -> None:
    phones = [row.phone for row in sample()]
    assert len(set(phones)) == len(phones)
    for phone in phones:
        assert phone is not None
        assert not phonenumbers.is_valid_number(phonenumbers.parse(phone, None)), phone


def test_no_two_of_the_sample_share_a_number_in_the_roster_or_a_line_account() -> None:
    refs = [row.ref for row in sample()]
    accounts = [row.line_user_id for row in sample() if row.line_user_id]
    assert len(set(refs)) == len(refs)
    assert len(set(accounts)) == len(accounts)


def test_the_sample_is_the_same_on_every_call() -> None:
    assert sample_csv() == sample_csv()


def test_what_is_read_is_what_the_sample_says() -> None:
    raw = list(csv.DictReader(io.StringIO(sample_csv())))
    assert len(raw) == len(sample())
    for line, row in zip(raw, sample(), strict=True):
        understood = {
            **{column: getattr(row, column) or "" for column in ("ref", "name_th", "name_en", "agency", "role")},
            **{column: getattr(row, column) or "" for column in ("province", "district", "phone", "line_user_id")},
            "latitude": "" if row.latitude is None else str(row.latitude),
            "longitude": "" if row.longitude is None else str(row.longitude),
            "channels": " ".join(row.channels),
            "active": str(row.active).lower(),
        }
        assert understood == line


# --- a file that is right --------------------------------------------------------------------------------
#: Made up; the number is the one that the error texts give as an example.
STATION = {
    "ref": "PS-1",
    "name_th": "สภ.ตัวอย่าง",
    "name_en": "A made-up station",
    "agency": "police",
    "role": "police_station",
    "province": "65",
    "district": "6501",
    "latitude": "16.82",
    "longitude": "100.26",
    "phone": "081 234 5678",
    "line_user_id": "U" + "0123456789abcdef" * 2,
    "channels": "line sms",
    "active": "true",
}


def a_file(*rows: dict[str, str], separator: str = ",", columns: tuple[str, ...] = COLUMNS) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=separator, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_row_is_understood() -> None:
    assert parse_csv(a_file(STATION)) == [
        ResponderRow(
            *("PS-1", "สภ.ตัวอย่าง", "A made-up station", "police", Role.POLICE_STATION, "65", "6501", 16.82, 100.26),
            *("+66812345678", "U" + "0123456789abcdef" * 2, (Channel.LINE, Channel.SMS)),
        )
    ]


@pytest.mark.parametrize("text", ["\ufeff" + a_file(STATION), a_file(STATION, separator=";"), a_file(STATION) + "\n\n"])
def test_a_file_as_a_spreadsheet_writes_it_is_read(text: str) -> None:
    assert parse_csv(text) == parse_csv(a_file(STATION))


def test_columns_may_stand_in_any_order_and_others_beside_them() -> None:
    text = a_file({**STATION, "remark": "made up"}, columns=(*reversed(COLUMNS), "remark"))
    assert parse_csv(text) == parse_csv(a_file(STATION))


def one(**changed: str) -> ResponderRow:
    (row,) = parse_csv(a_file({**STATION, **changed}))
    return row


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("0812345678", "+66812345678"),
        ("+66 81 234 5678", "+66812345678"),
        ("055-123-456", "+6655123456"),
        ("191", "191"),
        ("1300", "1300"),
        ("+66001234567", "+66001234567"),
    ],
)
def test_a_phone_may_be_written_as_people_do(written: str, understood: str) -> None:
    assert one(phone=written).phone == understood


def test_what_is_not_known_may_be_left_empty() -> None:
    row = one(district="", latitude="", longitude="", line_user_id="", channels="sms", active="")
    assert (row.district, row.latitude, row.longitude, row.line_user_id) == (None, None, None, None)
    assert row.active
    assert one(phone="", channels="line").phone is None


def test_the_preferred_channel_comes_first() -> None:
    assert one(channels="sms  line").channels == (Channel.SMS, Channel.LINE)


def test_whoever_is_not_active_is_kept_and_not_asked() -> None:
    assert not one(active="FALSE").active
    assert one(active="TRUE").active


@pytest.mark.parametrize("role", sorted(NATIONAL_ROLES))
def test_who_works_for_the_whole_country_needs_no_province(role: Role) -> None:
    assert one(role=role, agency="msdhs", province="", district="").province is None


def test_the_columns_of_the_database_are_told_by_the_row() -> None:
    stored = values(one())
    assert (stored["province_code"], stored["district_code"]) == ("65", "6501")
    assert stored["channels"] == ["line", "sms"]
    assert {"province", "district"}.isdisjoint(stored)


# --- a file that is wrong --------------------------------------------------------------------------------
WRONG: list[tuple[str, dict[str, str]]] = [
    ("ref", {"ref": ""}),
    ("name_th", {"name_th": "  "}),
    ("name_en", {"name_en": ""}),
    ("agency", {"agency": "army"}),
    ("role", {"role": "fire_station"}),
    ("province", {"province": ""}),
    ("province", {"province": "99"}),
    ("province", {"province": "พิษณุโลก"}),
    ("district", {"district": "6599"}),
    ("district", {"district": "5001"}),
    ("latitude", {"latitude": "north"}),
    ("latitude", {"latitude": ""}),
    ("latitude", {"longitude": ""}),
    ("latitude", {"latitude": "nan"}),
    ("latitude", {"latitude": "100.26", "longitude": "16.82"}),
    ("latitude", {"latitude": "4.9"}),
    ("latitude", {"latitude": "21.1"}),
    ("latitude", {"longitude": "96.9"}),
    ("latitude", {"longitude": "106.1"}),
    ("phone", {"phone": "12345", "channels": "line"}),
    ("phone", {"phone": "call me", "channels": "line"}),
    ("phone", {"phone": "+6600123", "channels": "line"}),
    ("line_user_id", {"line_user_id": "@station", "channels": "sms"}),
    ("line_user_id", {"line_user_id": "U" + "G" * 32, "channels": "sms"}),
    ("channels", {"channels": ""}),
    ("channels", {"channels": "line pager"}),
    ("channels", {"channels": "drill"}),
    ("channels", {"channels": "sms", "phone": ""}),
    ("channels", {"channels": "line", "line_user_id": ""}),
    ("active", {"active": "yes"}),
]


def problems(text: str) -> list[str]:
    with pytest.raises(RosterRefused) as refused:
        parse_csv(text)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(("column", "changed"), WRONG, ids=[f"{column}-{n}" for n, (column, _) in enumerate(WRONG)])
def test_every_error_names_its_row_and_its_column(column: str, changed: dict[str, str]) -> None:
    (problem,) = problems(a_file(STATION, {**STATION, "ref": "PS-2", **changed}))
    assert problem.startswith(f"row 3, column {column}: ")


def test_an_address_that_is_wrong_is_no_address_for_its_channel() -> None:
    assert [problem.partition(":")[0] for problem in problems(a_file({**STATION, "phone": "12345"}))] == [
        "row 2, column phone",
        "row 2, column channels",
    ]


def test_each_responder_stands_in_the_file_once() -> None:
    (problem,) = problems(a_file(STATION, {**STATION, "ref": "PS-2"}, STATION))
    assert problem == "row 4, column ref: PS-1 stands in row 2 already: each responder once"


def test_one_wrong_row_refuses_the_whole_file_and_all_errors_are_told_at_once() -> None:
    good = [{**STATION, "ref": f"PS-{n}"} for n in range(3)]
    bad = {**STATION, "ref": "PS-9", "agency": "army", "province": "99", "active": "yes"}
    worse = {**STATION, "ref": "", "role": "fire_station"}
    assert [problem.partition(":")[0] for problem in problems(a_file(good[0], bad, good[1], worse, good[2]))] == [
        "row 3, column agency",
        "row 3, column province",
        "row 3, column active",
        "row 5, column ref",
        "row 5, column role",
    ]


@pytest.mark.parametrize("text", ["", "\n", "ref,role\nPS-1,police_station\n", a_file(STATION, separator="\t")])
def test_a_file_without_our_columns_is_refused_and_told_where_to_start(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("row 1: no column ")
    assert "`ess responders sample`" in problem


def test_a_column_that_is_missing_is_named() -> None:
    (problem,) = problems(a_file(STATION, columns=tuple(column for column in COLUMNS if column != "agency")))
    assert problem.startswith("row 1: no column agency:")


def test_a_row_that_is_cut_short_is_refused() -> None:
    assert len(problems(",".join(COLUMNS) + "\nPS-1,สภ.ตัวอย่าง\n")) > 3


def test_the_caller_need_not_know_more_than_that_it_was_refused() -> None:
    assert issubclass(RosterRefused, Refused)
