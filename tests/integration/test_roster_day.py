"""A roster coordinator's day: look first, be refused, import, export, take somebody out."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlmodel import col, select
from stack import Deployment

from ess import roster
from ess.domain.duty import Role
from ess.domain.errors import Refused
from ess.domain.roster import COLUMNS
from ess.store import enrolment, tables

#: Everybody in this file; nobody else of the shared roster is touched.
PREFIX = "DAY-"


@pytest.fixture(autouse=True)
def _gone_in_the_evening(deployment: Deployment) -> Iterator[None]:
    yield
    ours = "DELETE FROM responder WHERE ref LIKE 'DAY-%' RETURNING 1"
    deployment.count(f"WITH gone AS ({ours}) SELECT count(*) FROM gone")


def ess(deployment: Deployment, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as typed, wide enough that no line is folded."""
    environment = {**os.environ, **deployment.stack.environment, "ESS_PUBLIC_URL": deployment.stack.url}
    command = [Path(sys.executable).parent / "ess", "responders", *words]
    return subprocess.run(
        command, env={**environment, "COLUMNS": "200"}, capture_output=True, text=True, timeout=60, check=False
    )


def unit(n: int, **more: str) -> dict[str, str]:
    return {
        "ref": f"{PREFIX}{n}",
        "name_th": f"หน่วยทดสอบ {n}",
        "name_en": f"Test unit {n}",
        "agency": "police",
        "role": Role.POLICE_STATION,
        "province": "65",
        "district": "6501",
        "phone": f"+66007770{n:03d}",
        "line_user_id": f"U{n:032x}",
        "channels": "line sms",
        **more,
    }


def a_file(folder: Path, *units: dict[str, str]) -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(units)
    path = folder / "roster.csv"
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def imported(deployment: Deployment, folder: Path, *units: dict[str, str]) -> tuple[int, int]:
    """This was imported some day before, without the command's second of starting; how many were new and changed."""
    with deployment.store.transaction() as tx:
        return enrolment.upsert(tx, roster.read(a_file(folder, *units)).entries)


def enrolled(deployment: Deployment) -> dict[str, roster.Entry]:
    """Who of this file is in the roster, by number."""
    with deployment.store.transaction() as tx:
        return {entry.ref: entry for entry in enrolment.enrolled(tx) if entry.ref.startswith(PREFIX)}


def areas_of(deployment: Deployment, ref: str) -> set[tuple[str, str]]:
    """Roles and codes of the rows by which a choice finds them."""
    with deployment.store.transaction() as tx:
        query = select(tables.Jurisdiction.role, tables.Jurisdiction.area_code).join(tables.Responder)
        return {(role, code) for role, code in tx.session.exec(query.where(col(tables.Responder.ref) == ref))}


def test_a_dry_run_shows_what_would_change_and_changes_nothing(deployment: Deployment, tmp_path: Path) -> None:
    imported(deployment, tmp_path, unit(1), unit(2))
    before = enrolled(deployment)
    file = a_file(tmp_path, unit(1, phone="+66007779999", capacity="3", jurisdictions="65 6604"), unit(3))
    done = ess(deployment, "import", "--dry-run", file)
    assert done.returncode == 0, done.stderr
    for words in ("added    DAY-3", "capacity: — → 3", "phone: …001 → …999", "jurisdictions: 6501 → 65 6604"):
        assert words in done.stdout
    assert "DAY-2  หน่วยทดสอบ 2  not in the file, stays as it is" in done.stdout
    assert "Dry run, nothing was changed: 1 added, 1 changed, 0 as they were." in done.stderr
    assert not {"66007779999", "66007770001", f"{1:032x}"} & set(done.stdout.split()), "addresses in full"
    assert enrolled(deployment) == before


def test_volunteers_whose_base_nobody_knows_are_told_before_it_is_needed(
    deployment: Deployment, tmp_path: Path
) -> None:
    volunteer = {"agency": "volunteer", "role": Role.VOLUNTEER}
    known = unit(2, **volunteer, latitude="16.8211", longitude="100.2659")
    done = ess(deployment, "import", "--dry-run", a_file(tmp_path, unit(1, **volunteer), known, unit(3)))
    assert done.returncode == 0, done.stderr
    assert "1 without latitude and longitude (DAY-1): volunteer are asked only near the pin" in done.stderr
    done = ess(deployment, "import", "--dry-run", a_file(tmp_path, known, unit(3)))
    assert "without latitude" not in done.stderr


def test_a_file_with_three_errors_is_refused_whole_and_names_them_all(deployment: Deployment, tmp_path: Path) -> None:
    wrong = unit(2, phone="12345", skills="Knows everything!", rest="30")
    done = ess(deployment, "import", a_file(tmp_path, unit(1), wrong))
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.removeprefix("ess: ").splitlines()] == [
        "row 3, column phone",
        "row 3, column channels",
        "row 3, column skills",
        "row 3, column rest",
    ]
    assert enrolled(deployment) == {}


def test_an_import_is_there_with_its_jurisdictions_and_a_second_one_changes_nothing(
    deployment: Deployment, tmp_path: Path
) -> None:
    drawn = "POLYGON ((100.2 16.55, 100.4 16.55, 100.4 16.4, 100.2 16.4, 100.2 16.55))"
    units = unit(1), unit(2, jurisdictions="65 6604"), unit(3, outline=drawn, leave_until="2026-12-24")
    done = ess(deployment, "import", a_file(tmp_path, *units))
    assert "3 added, 0 changed, 0 as they were." in done.stderr
    assert areas_of(deployment, "DAY-1") == {("police_station", "6501")}
    assert areas_of(deployment, "DAY-2") == {("police_station", "65"), ("police_station", "6604")}
    assert areas_of(deployment, "DAY-3") == {("police_station", "65"), ("police_station", "66")}
    assert imported(deployment, tmp_path, *units) == (0, 0)
    assert imported(deployment, tmp_path, unit(1, district="6502", role=Role.VOLUNTEER)) == (0, 1)
    assert areas_of(deployment, "DAY-1") == {("volunteer", "6502")}


@pytest.mark.parametrize("name", ["roster.csv", "roster.xlsx"])
def test_an_export_is_read_back_as_it_is_and_is_logged(deployment: Deployment, tmp_path: Path, name: str) -> None:
    able, away = (
        unit(1, skills="children lang:my", capacity="2", rest="90 min"),
        unit(2, leave_until="2026-12-24 18:00"),
    )
    imported(deployment, tmp_path, able, away)
    before, file = enrolled(deployment), tmp_path / name
    done = ess(deployment, "export", file)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stderr.splitlines()[-1])
    assert (told["event"], told["to_file"]) == ("roster_exported", True)
    assert told["n_responders"] >= 2
    assert told["by"]
    assert "+66" not in done.stderr
    _keep_ours(file)
    assert {entry.ref: entry for entry in roster.read(file).entries} == before
    with deployment.store.transaction() as tx:
        plan = enrolment.planned(tx, roster.read(file).entries)
    assert (plan.added, plan.changed, plan.n_same) == ((), (), 2)


def test_an_export_that_cannot_be_written_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    done = ess(deployment, "export", tmp_path / "no such folder" / "roster.xlsx")
    assert done.returncode == 1
    *_, said = done.stderr.splitlines()
    assert said == f"ess: {tmp_path}/no such folder/roster.xlsx cannot be written: No such file or directory"


def test_an_export_to_stdout_is_csv_and_nothing_else(deployment: Deployment, tmp_path: Path) -> None:
    imported(deployment, tmp_path, unit(1))
    done = ess(deployment, "export")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.stdout.startswith(",".join(COLUMNS))
    assert [row["phone"] for row in rows if row["ref"] == "DAY-1"] == ["+66007770001"]
    assert not [row for row in rows if row["ref"].startswith("DRILL-")], "the units of drills are in no file"


def test_whoever_left_is_removed_only_when_asked_and_is_never_deleted(deployment: Deployment, tmp_path: Path) -> None:
    national = [unit(8, role=Role.SUPERVISOR, agency="msdhs"), unit(9, role=Role.NATIONAL_DESK, agency="msdhs")]
    imported(deployment, tmp_path, unit(1), unit(2), *national)
    assert imported(deployment, tmp_path, unit(1), *national) == (0, 0)
    assert enrolled(deployment)["DAY-2"].active
    file = a_file(tmp_path, unit(1), *national)
    assert "removed  DAY-2" in ess(deployment, "import", "--dry-run", "--remove-missing", file).stdout
    assert enrolled(deployment)["DAY-2"].active
    drills = "SELECT count(*) FROM responder WHERE drill AND active"
    n_drills = deployment.count(drills)
    assert ess(deployment, "import", "--remove-missing", file).returncode == 0
    assert not enrolled(deployment)["DAY-2"].active
    assert deployment.count(drills) == n_drills
    done = ess(deployment, "import", "--remove-missing", a_file(tmp_path, unit(1)))
    assert done.returncode == 1
    assert "no national_desk and no supervisor would be left" in done.stderr
    assert imported(deployment, tmp_path, unit(2)) == (0, 1), "and comes back"


def test_two_imports_at_once_are_one_after_the_other(deployment: Deployment, tmp_path: Path) -> None:
    file = a_file(tmp_path, unit(1))
    with deployment.store.transaction() as tx:
        plan = enrolment.planned(tx, roster.read(file).entries)
        with pytest.raises(Refused, match="somebody else is importing"), deployment.store.transaction() as other:
            enrolment.planned(other, roster.read(file).entries)
        enrolment.enrol(tx, plan)
    assert enrolled(deployment)["DAY-1"].active


def test_a_new_address_is_not_verified_and_not_blocked(deployment: Deployment, tmp_path: Path) -> None:
    imported(deployment, tmp_path, unit(1))
    seen = "line_verified_at = now(), phone_verified_at = now(), line_blocked = true"
    deployment.count(
        f"WITH seen AS (UPDATE responder SET {seen} WHERE ref = 'DAY-1' RETURNING 1) SELECT count(*) FROM seen"
    )
    imported(deployment, tmp_path, unit(1, line_user_id=f"U{99:032x}"))
    with deployment.store.transaction() as tx:
        row = tx.session.exec(select(tables.Responder).where(tables.Responder.ref == "DAY-1")).one()
    assert (row.line_verified_at, row.line_blocked) == (None, False)
    assert row.phone_verified_at is not None
    assert row.line_index == deployment.store.vault.index(f"U{99:032x}")


def _keep_ours(file: Path) -> None:
    """Without the people of other tests, whose agency no file knows."""
    if file.suffix == ".xlsx":
        book = load_workbook(file)
        sheet = book.worksheets[0]
        for row in range(sheet.max_row, 1, -1):
            if not str(sheet.cell(row, 1).value).startswith(PREFIX):
                sheet.delete_rows(row)
        book.save(file)
    else:
        head, *rows = file.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        file.write_text("".join([head, *(row for row in rows if row.startswith(PREFIX))]), encoding="utf-8")
