"""The roster as a file: a sample of the whole country that reaches nobody, and a reading that forgives nothing."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import geothai
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from ess.domain.duty import NATIONAL_ROLES, Channel, Role
from ess.domain.errors import Refused
from ess.domain.roster import COLUMNS, Entry, seat
from ess.geo.names import areas
from ess.roster import RosterRefused, parse_csv, read, sample_csv, to_csv, write
from ess.roster.entries import REQUIRED

N_PROVINCES, N_DISTRICTS = 77, 928
PROVINCES = {
    province.code: {district.code for district in geothai.districts(province.code)} for province in geothai.provinces()
}


@cache
def sample() -> tuple[Entry, ...]:
    return tuple(parse_csv(sample_csv()))


def of(role: Role) -> list[Entry]:
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
    assert to_csv(sample()) == sample_csv()


def test_some_of_the_sample_have_skills_a_capacity_and_rest() -> None:
    assert {skill for row in sample() for skill in row.skills} >= {
        "children",
        "mental_health",
        "sign_language",
        "lang:my",
    }
    assert all(row.capacity and row.rest for row in of(Role.ONE_HOME))
    assert all(row.is_plain for row in sample())


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


def a_file(*rows: dict[str, str], separator: str = ",", columns: tuple[str, ...] = REQUIRED) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=separator, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_row_is_understood() -> None:
    assert parse_csv(a_file(STATION)) == [
        Entry(
            *("PS-1", "สภ.ตัวอย่าง", "A made-up station", "police", Role.POLICE_STATION, "65", "6501", 16.82, 100.26),
            *("+66812345678", "U" + "0123456789abcdef" * 2, (Channel.LINE, Channel.SMS), True, ("6501",)),
        )
    ]


def test_what_a_unit_can_and_may_is_understood() -> None:
    row = one(
        jurisdictions="6501; 65 650205 6501",
        skills="Lang:my  children",
        capacity="3",
        rest="90 min",
        leave_until="2026-12-24 18:00",
    )
    assert row.jurisdictions == ("65", "6501", "650205")
    assert row.skills == {"children", "lang:my"}
    assert (row.capacity, row.rest) == (3, timedelta(minutes=90))
    assert row.leave_until == datetime(2026, 12, 24, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "until"),
    [
        ("2026-12-24", "2026-12-24T17:00:00+00:00"),  # the day counts, in Bangkok
        ("2026-12-24T18:00", "2026-12-24T11:00:00+00:00"),
        ("2026-12-24T18:00Z", "2026-12-24T18:00:00+00:00"),
    ],
)
def test_leave_is_told_in_bangkoks_time_and_a_day_counts_to_its_end(written: str, until: str) -> None:
    assert one(leave_until=written).leave_until == datetime.fromisoformat(until)


@pytest.mark.parametrize(
    ("unit", "jurisdictions"),
    [
        ({}, ("6501",)),
        ({"district": ""}, ("65",)),
        ({"role": "supervisor", "province": "", "district": ""}, ("TH",)),
        ({"jurisdictions": "th"}, ("TH",)),
    ],
)
def test_without_a_word_on_jurisdiction_it_is_the_seat(unit: dict[str, str], jurisdictions: tuple[str, ...]) -> None:
    assert one(**unit).jurisdictions == jurisdictions


#: About 20 km wide, across the border of Phitsanulok (65) and Phichit (66).
DRAWN = ((16.55, 100.2), (16.55, 100.4), (16.4, 100.4), (16.4, 100.2))
CORNERS = [[lon, lat] for lat, lon in (*DRAWN, DRAWN[0])]


@pytest.mark.parametrize(
    "pasted",
    [
        "POLYGON ((100.2 16.55, 100.4 16.55, 100.4 16.4, 100.2 16.4, 100.2 16.55))",
        str({"type": "Polygon", "coordinates": [CORNERS]}).replace("'", '"'),
        str({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [CORNERS]}}).replace("'", '"'),
    ],
)
def test_an_outline_may_be_pasted_and_is_found_in_every_province_that_it_touches(pasted: str) -> None:
    row = one(outline=pasted)
    assert row.outline == DRAWN
    assert row.jurisdictions == ("65", "66")


@pytest.mark.parametrize("text", ["\ufeff" + a_file(STATION), a_file(STATION, separator=";"), a_file(STATION) + "\n\n"])
def test_a_file_as_a_spreadsheet_writes_it_is_read(text: str) -> None:
    assert parse_csv(text) == parse_csv(a_file(STATION))


def test_columns_may_stand_in_any_order_and_others_beside_them() -> None:
    text = a_file({**STATION, "remark": "made up"}, columns=(*reversed(COLUMNS), "remark"))
    assert parse_csv(text) == parse_csv(a_file(STATION))


def one(**changed: str) -> Entry:
    (row,) = parse_csv(a_file({**STATION, **changed}, columns=COLUMNS))
    return row


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("0812345678", "+66812345678"),
        ("+66 81 234 5678", "+66812345678"),
        ("055-123-456", "+6655123456"),
        ("812345678", "+66812345678"),
        ("812345678.0", "+66812345678"),
        ("66812345678", "+66812345678"),
        ("55123456", "+6655123456"),
        ("66001234567", "+66001234567"),
        ("191.0", "191"),
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


def test_channels_may_follow_one_another() -> None:
    row = one(channels="line sms+20s voice+45s")
    assert row.channels == (Channel.LINE, Channel.SMS, Channel.VOICE)
    assert row.channel_after_s == (0, 20, 45)
    assert one(channels="line sms").channel_after_s is None


def test_whoever_is_not_active_is_kept_and_not_asked() -> None:
    assert not one(active="FALSE").active
    assert one(active="TRUE").active


@pytest.mark.parametrize("role", sorted(NATIONAL_ROLES))
def test_who_works_for_the_whole_country_needs_no_province(role: Role) -> None:
    assert one(role=role, agency="msdhs", province="", district="").province is None


def test_line_may_wait_for_its_account_where_sms_reaches_them_meanwhile() -> None:
    row = one(line_user_id="", channels="line sms")
    assert (row.line_user_id, row.channels) == (None, (Channel.LINE, Channel.SMS))


def test_the_first_row_may_be_thai() -> None:
    text = a_file(STATION).replace("province,district", "จังหวัด,อำเภอ").replace("ref,", "Ref ,")
    assert parse_csv(text) == parse_csv(a_file(STATION))


def test_a_column_that_the_file_does_not_have_is_left_unsaid() -> None:
    (old,) = parse_csv(a_file(STATION))
    assert old.unsaid == set(COLUMNS) - set(REQUIRED)
    (drawn,) = parse_csv(a_file({**STATION, "outline": ""}, columns=(*REQUIRED, "outline", "rest")))
    assert drawn.unsaid == {"skills", "capacity", "leave_until"}, "outline and jurisdictions say one thing together"


def test_columns_that_nobody_knows_are_named(tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    file.write_text(a_file({**STATION, "skils": "children"}, columns=(*REQUIRED, "skils")), encoding="utf-8")
    assert read(file).ignored == ("skils",)


# --- a workbook ------------------------------------------------------------------------------------------
def a_workbook(tmp_path: Path, **typed: Any) -> Path:
    """As a person types it into Excel, which takes numbers and days for what they look like."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    numbers = {"province": 65, "district": 6501.0, "latitude": 16.82, "longitude": 100.26, "active": True}
    row = {**STATION, **numbers, "phone": 812345678, **typed}
    sheet.append(list(COLUMNS))
    sheet.append([row.get(column) for column in COLUMNS])
    path = tmp_path / "roster.xlsx"
    book.save(path)
    return path


def test_a_workbook_is_read_like_a_csv_file(tmp_path: Path) -> None:
    assert list(read(a_workbook(tmp_path)).entries) == parse_csv(a_file(STATION))


def with_sheets(path: Path, before: bool = False, **sheets: str) -> Path:
    """The workbook with more sheets, each with these words in its first cell, after its own or before them."""
    book = load_workbook(path)
    for i, (title, words) in enumerate(sheets.items()):
        book.create_sheet(title, i if before else None)["A1"] = words or None
    book.save(path)
    return path


def test_of_a_workbook_the_first_sheet_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    edition = read(with_sheets(a_workbook(tmp_path), Phuket="ref", Empty="", Notes="ask again in May"))
    assert list(edition.entries) == parse_csv(a_file(STATION))
    assert edition.unread == ("Phuket", "Notes"), "an empty sheet has nothing that could be missed"


def test_a_roster_behind_another_sheet_is_refused_with_the_name_of_what_was_read(tmp_path: Path) -> None:
    with pytest.raises(RosterRefused) as refused:
        read(with_sheets(a_workbook(tmp_path), before=True, Cover="Roster of 2026"))
    first, last = str(refused.value).splitlines()
    assert first.startswith("row 1: must hold the names of the columns (ref, ")
    assert last.startswith("This is the sheet Cover, the first of 2, and no other is read: move the roster")


@pytest.mark.parametrize(
    ("typed", "until"),
    [
        (datetime(2026, 12, 24).date(), "2026-12-24T17:00:00+00:00"),  # noqa: DTZ001  # Excel has no zones
        (datetime(2026, 12, 24, 0, 0), "2026-12-23T17:00:00+00:00"),  # noqa: DTZ001
        (datetime(2026, 12, 24, 18, 0), "2026-12-24T11:00:00+00:00"),  # noqa: DTZ001
        ("2026-12-24", "2026-12-24T17:00:00+00:00"),
    ],
)
def test_a_day_in_a_workbook_is_a_day_and_midnight_is_midnight(tmp_path: Path, typed: Any, until: str) -> None:
    (row,) = read(a_workbook(tmp_path, leave_until=typed)).entries
    assert row.leave_until == datetime.fromisoformat(until)


@pytest.mark.parametrize("formula", ["=A1", "#N/A", "#REF!"])
def test_a_formula_is_refused_because_its_value_may_be_old_or_missing(tmp_path: Path, formula: str) -> None:
    with pytest.raises(RosterRefused, match="row 2, column name_en: holds a formula"):
        read(a_workbook(tmp_path, name_en=formula))


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"PK\x03\x04 and no zip", "save it anew as .xlsx"),
        (b"\xd0\xcf\x11\xe0 of 2003", "save it as .xlsx"),
        ("ref,ชื่อ".encode("cp874"), "save it as `CSV UTF-8`"),
        (b'ref,"name_th\nPS-1', "is a quotation mark left open"),
    ],
)
def test_a_file_that_cannot_be_read_says_how_to_save_it(tmp_path: Path, data: bytes, advice: str) -> None:
    file = tmp_path / "roster"
    file.write_bytes(data)
    with pytest.raises(RosterRefused, match=advice):
        read(file)


# --- out and in again ------------------------------------------------------------------------------------
def texts(longest: int = 30) -> st.SearchStrategy[str]:
    """What may stand in a name: anything that can be seen, and does not begin like a formula."""
    letters = st.characters(exclude_categories=("C", "Z"), exclude_characters="=+-@#")
    inner = st.text(st.one_of(letters, st.sampled_from(' ",;=+')), max_size=longest)
    return st.tuples(letters, inner, letters).map("".join)


DISTRICTS = [code for code in areas() if len(code) == 4]
CODES = st.sets(st.sampled_from(["TH", *areas()]), min_size=1, max_size=4).map(lambda found: tuple(sorted(found)))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    district = draw(st.sampled_from(DISTRICTS))
    outline = draw(st.sampled_from([None, DRAWN]))
    phone = draw(st.sampled_from([None, "191", "1300", "+66812345678", "+66001234567"]))
    line = (
        draw(st.none() | st.text("0123456789abcdef", min_size=32, max_size=32).map("U{}".format))
        if phone
        else "U" + "0" * 32
    )
    known = [
        channel for channel, address in ((Channel.LINE, line), (Channel.SMS, phone), (Channel.VOICE, phone)) if address
    ]
    channels = tuple(draw(st.lists(st.sampled_from(known), min_size=1, unique=True)))
    waits = st.lists(st.integers(0, 9999), min_size=len(channels) - 1, max_size=len(channels) - 1)
    later = draw(st.none() | waits) if len(channels) > 1 else None
    position = draw(st.none() | st.tuples(st.floats(5, 21), st.floats(97, 106))) or (None, None)
    instants = st.datetimes(datetime(2020, 1, 1), datetime(2399, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    at_day_s_end = st.datetimes(datetime(2020, 1, 1), datetime(2399, 1, 1)).map(  # noqa: DTZ001
        lambda at: at.replace(hour=17, minute=0, second=0, microsecond=0, tzinfo=UTC)
    )
    return Entry(
        ref=draw(texts()),
        name_th=draw(texts()),
        name_en=draw(texts()),
        agency=draw(st.sampled_from(["police", "msdhs", "volunteer"])),
        role=draw(st.sampled_from(Role)),
        province=district[:2],
        district=draw(st.sampled_from([None, district])),
        latitude=position[0],
        longitude=position[1],
        phone=phone,
        line_user_id=line,
        channels=channels,
        channel_after_s=(0, *sorted(later)) if later else None,
        active=draw(st.booleans()),
        jurisdictions=("65", "66") if outline else draw(CODES | st.just(seat(district[:2], district))),
        outline=outline,
        skills=draw(st.frozensets(st.sampled_from(["children", "lang:my", "sign_language"]))),
        capacity=draw(st.none() | st.integers(1, 1000)),
        rest=timedelta(seconds=draw(st.integers(0, 2 * 86_400))),
        leave_until=draw(st.none() | instants | at_day_s_end),
    )


rosters = st.lists(entries(), max_size=4, unique_by=lambda entry: entry.ref.strip())


@given(rosters)
def test_what_is_exported_is_read_as_it_was(people: list[Entry]) -> None:
    assert parse_csv(to_csv(people)) == people


@settings(max_examples=50)  # a workbook takes a hundredth of a second each way
@given(people=rosters)
def test_so_it_is_as_a_workbook(tmp_path_factory: pytest.TempPathFactory, people: list[Entry]) -> None:
    file = tmp_path_factory.getbasetemp() / "roster.xlsx"
    write(file, people)
    assert list(read(file).entries) == people


def test_an_export_to_a_file_is_its_owners_alone_and_excel_knows_it_for_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    write(file, sample())
    assert file.stat().st_mode & 0o077 == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert list(read(file).entries) == list(sample())


def test_every_cell_of_a_workbook_is_text_so_that_no_zero_is_lost(tmp_path: Path) -> None:
    write(tmp_path / "roster.xlsx", sample()[:20])
    sheet = load_workbook(tmp_path / "roster.xlsx").worksheets[0]
    assert {(cell.data_type, cell.number_format) for row in sheet.iter_rows() for cell in row if cell.value} == {
        ("s", "@")
    }


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
    ("ref", {"ref": "DRILL-supervisor"}),
    ("ref", {"ref": "-PS"}),
    ("name_en", {"name_en": "two\nlines"}),
    ("name_en", {"name_en": "=A1"}),
    ("province", {"role": "supervisor", "province": "", "district": "6501"}),
    ("channels", {"channels": "sms sms"}),
    ("channels", {"channels": "line sms+20s voice"}),
    ("channels", {"channels": "voice", "phone": ""}),
    ("jurisdictions", {"jurisdictions": "65 9999"}),
    ("jurisdictions", {"jurisdictions": "พิษณุโลก"}),
    ("jurisdictions", {"jurisdictions": ";"}),
    ("outline", {"outline": "near the river"}),
    ("outline", {"outline": "POINT (100.2 16.5)"}),
    ("outline", {"outline": '{"type": "Polygon", "coordinates": [[[100, 16], [101, 16]]]}'}),
    ("outline", {"outline": '{"type": "Polygon", "coordinates": [[[100, 16], [101, 16], [1e999, 17], [100, 16]]]}'}),
    ("outline", {"outline": "[1, 2]"}),
    ("outline", {"outline": "POLYGON ((16 100, 16.2 100, 16.2 100.2, 16 100))"}),
    ("outline", {"outline": "POLYGON ((100 16, 100.2 16.2, 100.2 16, 100 16.2, 100 16))"}),
    ("outline", {"outline": "POLYGON ((100 8, 100.1 8, 100.1 8.1, 100 8))", "jurisdictions": "65"}),
    ("outline", {"outline": "POLYGON ((104 7, 104.1 7, 104.1 7.1, 104 7))"}),
    ("skills", {"skills": "knows children!"}),
    ("capacity", {"capacity": "0"}),
    ("capacity", {"capacity": "many"}),
    ("rest", {"rest": "30"}),
    ("rest", {"rest": "0.5 s"}),
    ("rest", {"rest": "49 h"}),
    ("rest", {"rest": "9999999999999999 d"}),
    ("leave_until", {"leave_until": "24/12/2026"}),
    ("leave_until", {"leave_until": "2569-12-24"}),
]


def problems(text: str) -> list[str]:
    with pytest.raises(RosterRefused) as refused:
        parse_csv(text)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(("column", "changed"), WRONG, ids=[f"{column}-{n}" for n, (column, _) in enumerate(WRONG)])
def test_every_error_names_its_row_and_its_column(column: str, changed: dict[str, str]) -> None:
    (problem,) = problems(a_file(STATION, {**STATION, "ref": "PS-2", **changed}, columns=COLUMNS))
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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ref,role\nPS-1,police_station\n", "no column name_th, name_en, "),
        ("", "must hold the names of the columns (ref, name_th, "),
        ("\n", "must hold the names of the columns (ref, name_th, "),
        (a_file(STATION).partition("\n")[2], "must hold the names of the columns (ref, name_th, "),
        (a_file(STATION, separator=";").partition("\n")[2], "must hold the names of the columns (ref, name_th, "),
        (a_file(STATION, separator="\t"), "its cells are separated neither by commas nor by semicolons"),
        (a_file(STATION, separator="|"), "its cells are separated neither by commas nor by semicolons"),
    ],
    ids=["two columns", "empty", "one line", "no headings", "no headings, semicolons", "tabs", "bars"],
)
def test_a_file_without_our_columns_is_refused_and_told_what_to_do(text: str, told: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"row 1: {told}")
    assert "start from `ess responders sample`" in problem
    assert STATION["phone"] not in problem, "it may be somebody's"


def test_a_column_that_is_missing_is_named() -> None:
    (problem,) = problems(a_file(STATION, columns=tuple(column for column in REQUIRED if column != "agency")))
    assert problem.startswith("row 1: no column agency:")


def test_a_column_that_stands_twice_is_refused() -> None:
    (problem,) = problems(a_file(STATION).replace("agency,", "agency,อำเภอ,"))
    assert problem.startswith("row 1: column district stands there twice")


def test_a_row_with_a_comma_too_many_is_refused() -> None:
    (problem,) = problems(a_file(STATION).rstrip() + ",more\n")
    assert problem.startswith("row 2: has more cells than there are columns")


def test_a_row_that_is_cut_short_is_refused() -> None:
    assert len(problems(",".join(REQUIRED) + "\nPS-1,สภ.ตัวอย่าง\n")) > 3


def test_the_caller_need_not_know_more_than_that_it_was_refused() -> None:
    assert issubclass(RosterRefused, Refused)
