"""Rotas and days off as coordinators write them: the example loads, and a bad file is refused with file and line."""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

import pytest

from config.settings import HERE
from ess import roster
from ess.days_off import DaysOff, load_days_off
from ess.domain.errors import Misconfigured, Refused
from ess.rotas import Member, read, write

EXAMPLE = HERE / "duty" / "example.yaml"


def sample_roster(refs: Collection[str]) -> Mapping[str, Member]:
    """The sample that `ess responders sample` prints."""
    rows = roster.parse_csv(roster.sample_csv())
    return {row.ref: Member(row.role, (row.district or row.province or "TH",)) for row in rows if row.ref in refs}


def test_the_example_is_for_the_sample_roster() -> None:
    assert [rota.area for rota in read(EXAMPLE, sample_roster)] == ["65", "50"]


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "written.yaml"
    path.write_text(write(read(EXAMPLE, sample_roster)), encoding="utf-8")
    assert read(path, sample_roster) == read(EXAMPLE, sample_roster)


#: What was written wrongly: (the text, what stands there instead, the line that is named, what is told).
WRONG = {
    "a role that there is not": ("role: social_worker", "role: nurse", "role: nurse", "'social_worker'"),
    "a word that is misspelt": ("lasts: 24 h", "last: 24 h", "last: 24 h", "is not a word that rotas know"),
    "a bare number": ("lasts: 24 h", "lasts: 24", "lasts: 24", "must be a duration such as"),
    "a hand-over in words": ("every: 7 d", "every: week", "every: week", "must be a duration such as"),
    "a rule that there is not": ("repeats: FREQ=DAILY", "repeats: daily", "repeats: daily", "cannot be used"),
    "a start with an offset": ("-05 08:00", "-05 08:00Z", "-05 08:00Z", "leave the offset out"),
    "a Buddhist year": ("starts: 2026-01-05", "starts: 2569-01-05", "2569-01-05", "era: write 2026"),
    "an area that there is not": ("area: 65", "area: 99", "area: 99", "is not the code of a province or district"),
    "the nation": ("area: 65", "area: TH", "area: TH", "is not the code of a province or district"),
    "somebody unknown": ("[[SW-65-1]", "[[SW-65-9]", "[[SW-65-9]", "SW-65-9 is not in the roster"),
    "somebody of another role": ("[[SW-65-1]", "[[OH-65]", "[[OH-65]", "OH-65 is a one_home in the roster"),
    "somebody of another province": ("[[SW-65-1]", "[[SW-64-1]", "[[SW-64-1]", "SW-64-1 serves 64 and not 65"),
    "a substitute who is nobody": ("substitute: SW-50-2", "substitute: SW-50-7", "SW-50-7", "is not in the roster"),
    "two rotas of one name": (
        "- name: chiang-mai-social-workers",
        "- name: phitsanulok-social-workers",
        "area: 50",
        "two rotas are called 'phitsanulok-social-workers'",
    ),
    "a text where a list should be": ("[[SW-65-1], [SW-65-2]]", "SW-65-1", "turns: SW-65-1", "must be a list"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_with_anything_wrong_is_refused_whole_with_the_line(wrong: str, tmp_path: Path) -> None:
    text, instead, line, told = WRONG[wrong]
    source = EXAMPLE.read_text(encoding="utf-8")
    assert text in source
    path = tmp_path / "rotas.yaml"
    path.write_text(source.replace(text, instead, 1), encoding="utf-8")
    with pytest.raises(Refused) as refused:
        read(path, sample_roster)
    lines = path.read_text(encoding="utf-8").splitlines()
    number = next(i for i, words in enumerate(lines, 1) if line in words and not words.startswith("#"))
    number -= line == "area: 50"  # the name stands a line before
    assert f"{path}:{number}: " in str(refused.value)
    assert told in str(refused.value)


# --- days off --------------------------------------------------------------------------------------------
def test_the_calendar_of_thailand_with_the_days_of_government_offices() -> None:
    days = load_days_off(HERE / "holidays.yaml")
    assert date(2026, 4, 13) in days
    assert date(2026, 5, 13) in days, "the Royal Ploughing Ceremony: offices are closed, banks are not"
    assert date(2026, 12, 7) in days, "in lieu of Saturday the 5th"
    assert date(2026, 11, 25) not in days


def test_the_ministrys_own_days_count_before_the_calendar(tmp_path: Path) -> None:
    path = tmp_path / "holidays.yaml"
    path.write_text("days_off: [2027-03-05]\nworking_days: [2027-04-13]\n", encoding="utf-8")
    days = load_days_off(path)
    assert date(2027, 3, 5) in days
    assert date(2027, 4, 13) not in days
    assert date(2027, 4, 14) in days
    path.write_text("days_off: [2027-03-05]\nworking_days: [2027-03-05, soon]\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"holidays\.yaml:2: working_days\.1: "):
        load_days_off(path)
    path.write_text("days_off: [2027-03-05]\nworking_days: [2570-04-13]\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"yaml:2: working_days.0: is a year of the Buddhist era: write 2027"):
        load_days_off(path)
    path.write_text("days_off: [2027-03-05]\nworking_days: [2027-03-05]\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="stands under `days_off` as well"):
        load_days_off(path)


def test_without_a_calendar_only_what_is_given_is_off() -> None:
    assert "2026-04-13" not in DaysOff()
