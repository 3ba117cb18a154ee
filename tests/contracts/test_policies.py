"""What operators write into config/policies: the shipped files load, and a bad one is refused with file and line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.settings import HERE
from ess.cli import app
from ess.domain.duty import NATIONAL_ROLES, Role
from ess.domain.errors import Misconfigured
from ess.domain.policy import Grade, Target, Within
from ess.domain.report import IncidentType
from ess.policies import load_policies

SHIPPED = HERE / "policies"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies, to damage as one likes."""
    return shutil.copytree(SHIPPED, tmp_path / "policies")


def refusal(folder: Path) -> str:
    """What an operator reads."""
    with pytest.raises(Misconfigured) as told:
        load_policies(folder)
    return str(told.value)


# --- what is shipped -------------------------------------------------------------------------------------
def test_the_shipped_policies_cover_every_type() -> None:
    assert set(load_policies(SHIPPED)) == set(IncidentType)


def test_every_shipped_track_asks_somebody_who_can_acknowledge_it() -> None:
    for policy in load_policies(SHIPPED).values():
        for track in policy.tracks:
            asked = {target.role for step in track.steps for target in step.alert}
            assert asked & set(track.acknowledged_by), f"{policy.type}: nobody whom {track.name} asks can stop it"


def test_every_shipped_policy_ends_at_people_who_are_always_there() -> None:
    for policy in load_policies(SHIPPED).values():
        assert {target.role for target in policy.last_resort.alert} == NATIONAL_ROLES


def test_every_shipped_policy_promises_a_call() -> None:
    assert all(policy.follow_ups for policy in load_policies(SHIPPED).values())


def test_the_graver_a_case_the_more_it_is_promised() -> None:
    promised = {policy.grade: len(policy.follow_ups) for policy in load_policies(SHIPPED).values()}
    assert promised == {Grade.CRITICAL: 3, Grade.EMERGENCY: 3, Grade.URGENT: 1}


def test_every_shipped_policy_informs_the_191_centre_of_the_province() -> None:
    for policy in load_policies(SHIPPED).values():
        assert policy.informed == (Target(Role.RADIO_191, Within.PROVINCE),)


# --- one bad value ---------------------------------------------------------------------------------------
#: What was written wrongly: (the text, what stands there instead, in which line, what the operator is told).
WRONG = {
    "a role that there is not": (
        "[{role: police_station, within: district}]",
        "[{role: sheriff, within: district}]",
        "sheriff",
        ("tracks.0.steps.0.alert.0.role", "'police_station', 'radio_191'"),
    ),
    "an area that there is not": (
        "within: district",
        "within: village",
        "village",
        ("alert.0.within", "'subdistrict', 'district', 'province' or 'nation'"),
    ),
    "a type that there is not": ("type: assault", "type: asault", "asault", ("type", "'assault', 'confinement'")),
    "a key that is missing": ("place_wait: 60 s ", "# ", None, ("place_wait", "is missing: add it")),
    "a wait that is missing": (
        "        wait: 10 min\n",
        "",
        "- alert:\n",
        ("tracks.1.steps.0.wait", "is missing: add it"),
    ),
    "a word that is misspelt": (
        "fresh_for",
        "fresh_four",
        "fresh_four",
        ("fresh_four", "is not a word that policies know", "check its spelling"),
    ),
    "a word too many inside a step": (
        "wait: 10 min",
        "wait: 10 min\n        patience: 3",
        "patience",
        ("tracks.1.steps.0.patience", "is not a word that policies know"),
    ),
    "a unit that there is not": (
        "place_wait: 60 s",
        "place_wait: 60 sec",
        "60 sec",
        ("place_wait", "must be a duration such as `60 s`, `20 min`, `24 h` or `7 d`"),
    ),
    "a duration in words": ("wait: 10 min", "wait: soon", "soon", ("steps.0.wait", "must be a duration such as")),
    "a duration below nothing": ("wait: 10 min", "wait: -5 s", "-5 s", ("steps.0.wait", "must be a duration such as")),
    "a duration of nothing": (
        "wait: 10 min",
        "wait: 0 s",
        "wait: 0 s",
        ("must be longer than nothing, such as `60 s`",),
    ),
    "two tracks that lead": (
        "- name: social_care",
        "- name: social_care\n    lead: true",
        "tracks:",
        ("tracks", "exactly one track must say `lead: true`, 2 do"),
    ),
    "no track that leads": (
        "lead: true",
        "lead: false",
        "tracks:",
        ("exactly one track must say `lead: true`, 0 do",),
    ),
    "two tracks of one name": (
        "- name: social_care",
        "- name: police",
        "- name: police\n    acknowledged_by: [one_home",
        ("tracks.1.name", "two tracks are called 'police': give each its own name"),
    ),
    "a track that nobody stops": (
        "acknowledged_by: [one_home, social_worker]",
        "acknowledged_by: []",
        "acknowledged_by: []",
        ("name at least one role whose acknowledgement stops the track",),
    ),
    "a step that alerts nobody": (
        "[{role: radio_191, within: province}]",
        "[]",
        "alert: []",
        ("alert somebody: a step without a target can never be acknowledged",),
    ),
    "nobody of a role": ("count: 3", "count: 0", "count: 0", ("alert.0.count", "must be 1 or more")),
    "a number that is none": ("count: 3", "count: many", "count: many", ("alert.0.count", "valid integer")),
    "a distance of nothing": (
        "max_km: [5, 15]",
        "max_km: 0",
        "max_km: 0",
        ("steps.0.alert.1.max_km", "must be a number of km above 0"),
    ),
    "a distance without end": (
        "max_km: [5, 15]",
        "max_km: [5, .inf]",
        ".inf",
        ("alert.1.max_km", "a number of km above 0"),
    ),
    "a distance in words": ("max_km: [5, 15]", "max_km: near", "max_km: near", ("alert.1.max_km: ", "valid number")),
    "a distance of several, none": ("max_km: [5, 15]", "max_km: []", "max_km: []", ("alert.1.max_km: ", "above 0")),
    "a distance that does not grow": (
        "max_km: [5, 15]",
        "max_km: [15, 5]",
        "max_km: [15, 5]",
        ("steps.0.alert.1.max_km", "must grow from one to the next, such as [5, 15]"),
    ),
    "a distance from the national desk": (
        "{role: national_desk, within: nation}",
        "{role: national_desk, within: nation, max_km: 5}",
        "{role: national_desk",
        ("national_desk works from anywhere: leave it out",),
    ),
    "a skill without a name": (
        "count: 3}",
        'count: 3, skills: [" "]}',
        'skills: [" "]',
        ("alert.0.skills.0", "name a skill as the roster does, such as `children`"),
    ),
    "skills that are no list": ("count: 3}", "count: 3, skills: children}", "skills: children", ("must be a list",)),
    "a last resort that may be empty": (
        "{role: supervisor, within: nation, count: 2}",
        "{role: one_home, within: province}",
        "{role: one_home, within: province}\n  repeat",
        ("the last resort must be there always: use national_desk or supervisor",),
    ),
    "a national desk of one district": (
        "{role: national_desk, within: nation}",
        "{role: national_desk, within: district}",
        "{role: national_desk",
        ("national_desk works for the whole country: write `within: nation`",),
    ),
    "a call that is never made": ("tries: 3", "tries: 0", "- name: first_call", ("tries must be 1 or more",)),
    "a grade that there is not": ("grade: urgent", "grade: dire", "dire", ("grade", "'critical', 'emergency'")),
    "a critical case that nobody calls within a day": (
        "due: 24 h",
        "due: 25 h",
        "grade: critical",
        ("grade", "needs a follow-up that is due within 24 h"),
    ),
    "a visit by whoever works for the whole country": (
        "{by: one_home, due: 2 d}",
        "{by: supervisor, due: 2 d}",
        "visit:",
        ("follow_ups.0.visit.by", "visits are made from the province: use one_home"),
    ),
    "a visit that is due at once": (
        "{by: one_home, due: 2 d}",
        "{by: one_home, due: 0 s}",
        "visit:",
        ("follow_ups.0.visit.due", "must be longer than nothing"),
    ),
    "a visit for a visit": (
        "calling_hours: true",
        "kind: visit",
        "visit: {",
        ("follow_ups.0.visit", "a visit that could not be made is a supervisor's: leave it out"),
    ),
    "a tag that runs code": (
        "type: assault",
        "type: !!python/object/apply:os.getcwd []",
        "!!python",
        ("could not determine a constructor",),
    ),
    "a tab": ("    lead: true", "\tlead: true", "\tlead", ("cannot start any token",)),
    "a bracket that is not closed": (
        "- name: social_care",
        "- name: [social_care",
        "acknowledged_by: [one_home",
        ("expected ',' or ']'",),
    ),
    "a second document": ("last_resort:", "---\nlast_resort:", "---", ("another document",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_file_and_line(name: str, folder: Path) -> None:
    old, new, where, told = WRONG[name]
    path = folder / "assault.yaml"
    good = path.read_text(encoding="utf-8")
    if where and "critical" in where:
        good = good.replace("grade: urgent", where)
    assert old in good
    bad = good.replace(old, new, 1)
    path.write_text(bad, encoding="utf-8")
    text = where if where is not None else new
    # What is missing has no line of its own: the line of what should hold it.
    line = 1 if where is None and name.startswith("a key") else bad[: bad.index(text)].count("\n") + 1
    message = refusal(folder)
    first = next((problem for problem in message.splitlines() if problem.startswith(f"{path}:{line}: ")), "")
    assert first, f"line {line} is not named:\n{message}"
    assert all(words in first for words in told), message


def test_every_problem_of_every_file_is_told_at_once(folder: Path) -> None:
    for kind in ("assault", "gathering"):
        path = folder / f"{kind}.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("fresh_for", "fresh_four"), encoding="utf-8")
    message = refusal(folder)
    assert message.count("fresh_four: is not a word that policies know") == 2
    assert message.count("fresh_for: is missing") == 2


# --- the files as a whole --------------------------------------------------------------------------------
def test_two_policies_for_one_type_are_refused(folder: Path) -> None:
    shutil.copy(folder / "assault.yaml", folder / "other.yaml")
    assert refusal(folder) == f"{folder / 'other.yaml'}:1: type: another file has a policy for assault already"


def test_a_type_without_a_policy_is_named(folder: Path) -> None:
    (folder / "assault.yaml").unlink()
    assert refusal(folder) == f"{folder}: no policy for assault: add a file for each"


def test_a_folder_that_is_not_there_has_no_policy_at_all(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert message.startswith(f"{tmp_path / 'nowhere'}: no policy for assault, confinement, ")


@pytest.mark.parametrize("content", ["", "# to be written\n", "- type: assault\n", "assault\n"])
def test_a_file_that_is_no_policy_is_refused(content: str, folder: Path) -> None:
    path = folder / "assault.yaml"
    path.write_text(content, encoding="utf-8")
    assert refusal(folder).startswith(f"{path}:1: policy: ")


def test_ess_policy_check_ends_with_1_and_the_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "assault.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("count: 3", "count: 0"), encoding="utf-8")
    monkeypatch.setenv("ESS_POLICY_DIR", str(folder))
    answer = CliRunner().invoke(app, ["policy", "check"])
    assert answer.exit_code == 1
    assert str(path) in str(answer.exception)


# --- what is not refused yet, and should be --------------------------------------------------------------
def _bytes(content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def _instead(old: str, new: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_bytes("type: assault  # ทำร้าย\n".encode("cp874")), id="saved in the Windows encoding of Thai"),
        pytest.param(_bytes("type: assault\n".encode("utf-16")), id="saved as Unicode by an old editor"),
        pytest.param(_bytes(b"type: assault\x00\n"), id="with a byte that no text has"),
        pytest.param(_instead("wait: 10 min", "wait: 10"), id="a duration without a unit"),
        pytest.param(_instead("wait: 10 min", "wait: 1:30"), id="a duration that YAML takes for 90"),
        pytest.param(_instead("wait: 10 min", "wait: 99999999999 d"), id="a duration longer than time"),
        pytest.param(_instead("wait: 10 min", "wait: 10 min\n        wait: 3 h"), id="a word that stands twice"),
        pytest.param(
            _instead("acknowledged_by: [police_station, radio_191]", "acknowledged_by: [volunteer]"),
            id="a track that nobody whom it asks can stop",
        ),
        pytest.param(_instead("within_m: 200", "within_m: 2000"), id="witnesses from farther than are found"),
        pytest.param(_instead("within: 15 min}", "within: 15}"), id="a time for witnesses without a unit"),
    ],
)
def test_what_an_operator_gets_wrong_easily_is_refused_with_file_and_line(
    damage: Callable[[Path], None], folder: Path
) -> None:
    path = folder / "assault.yaml"
    damage(path)
    assert refusal(folder).startswith(f"{path}:")
