"""Rules about the code itself: what drifts when only prose says it.

Run as a program, `python tests/test_architecture.py`, this file draws docs/incident.md anew.
"""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from ess.domain.incident import ENDED, TRANSITIONS, Cancel, Command, DeadlineKind, State
from ess.domain.incident.deadline import passes
from ess.domain.incident.rule import RULES, decides
from ess.wake import KEEP_TOGETHER, QUEUES, TASKS

ROOT = Path(__file__).parents[1]
DIAGRAM = ROOT / "docs" / "incident.md"
SOURCES = sorted(path for room in ("ess", "workers", "schedules", "config") for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# --- the diagram of an incident's life -------------------------------------------------------------------
PROSE = """\
# The life of an incident

Drawn from the table of [`ess/domain/incident`](../ess/domain/incident/__init__.py), which decides it and tells it in
prose; `python tests/test_architecture.py` draws it anew. An arrow bears the commands that lead along it: what a
responder says (`Accept`), what an operator does (`Cancel`), what the clock brings (`PassDeadline`). Whatever is
neither drawn nor listed is refused.
"""

#: As long as these hold somebody may be in danger, and an operator may still cancel.
DANGER = [state for state in State if (state, Cancel) in TRANSITIONS]


def commands(states: set[State], to: State) -> list[type]:
    """What leads from every one of these states to that one, in the order of the table."""
    leading = {kind: {start for start, named in TRANSITIONS if named is kind} for _, kind in TRANSITIONS}
    return [
        kind
        for kind, starts in leading.items()
        if states <= starts and all(to in TRANSITIONS[state, kind] for state in states)
    ]


def labelled(kinds: list[type]) -> str:
    return ", ".join(kind.__name__ for kind in kinds)


def arrows(start: State) -> Iterator[str]:
    """The arrows out of one state, without those that leave it as it is or that all of the danger share."""
    for to in State:
        shared = commands(set(DANGER), to) if start in DANGER and to not in DANGER else []
        kinds = [kind for kind in commands({start}, to) if kind not in shared]
        if kinds and to is not start:
            yield f"{start} --> {to} : {labelled(kinds)}"


def drawn() -> str:
    """The whole document."""
    inside = [arrow for state in DANGER for arrow in arrows(state)]
    within = [arrow for arrow in inside if any(f"--> {state} :" in arrow for state in DANGER)]
    shared = [(to, kinds) for to in State if to not in DANGER and (kinds := commands(set(DANGER), to))]
    lines = [
        *("stateDiagram-v2", f"    [*] --> {State.RECEIVED}", '    state "while there is danger" as danger {'),
        *(f"        {arrow}" for arrow in within),
        "    }",
        *(f"    {arrow}" for arrow in inside if arrow not in within),
        *(f"    danger --> {to} : {labelled(kinds)}" for to, kinds in shared),
        *(f"    {arrow}" for state in State if state not in DANGER for arrow in arrows(state)),
        *(f"    {state} --> [*]" for state in State if state in ENDED),
    ]
    staying = {state: [kind.__name__ for kind in commands({state}, state)] for state in State}
    rows = [f"| {state} | {', '.join(f'`{name}`' for name in names)} |" for state, names in staying.items() if names]
    return "\n".join(
        [
            *(PROSE, "```mermaid", *lines, "```", ""),
            *("What may be asked in a state and can leave it as it is:", ""),
            *("| state | commands |", "|---|---|", *rows, ""),
        ]
    )


def test_the_diagram_shows_the_table_that_decides() -> None:
    found = DIAGRAM.read_text(encoding="utf-8") if DIAGRAM.exists() else ""
    assert found == drawn(), f"{name_of(DIAGRAM)} is not what the table says: run `python tests/test_architecture.py`"


def test_the_diagram_leaves_nothing_of_the_table_out() -> None:
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for start, to, label in re.findall(r"^ +(\w+) --> (\w+) : (.+)$", drawn(), re.MULTILINE):
        for state in DANGER if start == "danger" else [start]:
            told[state, to] |= set(label.split(", "))
    for state, names in re.findall(r"^\| (\w+) \| (`.+`) \|$", drawn(), re.MULTILINE):
        told[state, state] |= set(re.findall(r"\w+", names))
    table: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (start, kind), ends in TRANSITIONS.items():
        for to in ends:
            table[start, to].add(kind.__name__)
    assert told == table


# --- the rules of an incident ----------------------------------------------------------------------------
def test_every_command_stands_with_its_decision() -> None:
    assert set(RULES) == set(get_args(Command)), "what can be asked is decided, and what is decided can be asked"
    apart = [command.__name__ for command, rule in RULES.items() if rule.decide.__module__ != command.__module__]
    assert not apart


def test_nothing_is_decided_twice() -> None:
    with pytest.raises(AssertionError, match="Cancel is decided twice"):
        decides(Cancel, {})(lambda _turn, _command: None)
    with pytest.raises(AssertionError, match="arrive is passed twice"):
        passes(DeadlineKind.ARRIVE)(lambda _turn, _deadline: None)


# --- how the tests test ----------------------------------------------------------------------------------
def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_is_mocked() -> None:
    mocks = ("unittest", "mock", "pytest_mock")
    found = [
        name_of(path) for path in [*SOURCES, *TESTS] if any(name.startswith(mocks) for name in imported(parsed(path)))
    ]
    assert not found, "doubles are servers that speak the real interface"


def test_no_task_runs_eagerly() -> None:
    eager = re.compile(r"task_always" + "_eager|TASK_ALWAYS" + "_EAGER")
    found = [name_of(path) for path in [*SOURCES, *TESTS] if eager.search(path.read_text(encoding="utf-8"))]
    assert not found, "tasks run in real workers"


def bare_sleeps(node: ast.AST, *, waits: bool = False) -> Iterator[int]:
    """The lines that sleep outside of a loop that waits for something."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep") | ast.Name(id="sleep")) if not waits:
            yield node.lineno
        case ast.While():
            waits = True
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            waits = False
    for child in ast.iter_child_nodes(node):
        yield from bare_sleeps(child, waits=waits)


def test_no_test_sleeps_for_luck() -> None:
    acting = {"bench", "chaos"}  # load, people and faults that take their time: programs, and not tests
    tests = [
        path
        for path in TESTS
        if path.name.startswith("test_") or acting.isdisjoint(path.relative_to(ROOT / "tests").parts)
    ]
    found = {name_of(path): lines for path in tests if (lines := list(bare_sleeps(parsed(path))))}
    assert not found, "wait for what must become true, as `wait_for` of tests/stack.py does"


def test_a_sleep_is_bare_unless_it_is_in_a_loop_that_waits() -> None:
    assert list(bare_sleeps(ast.parse("import time\ntime.sleep(1)"))) == [2]
    assert list(bare_sleeps(ast.parse("for _ in range(9):\n    sleep(1)"))) == [2]
    assert list(bare_sleeps(ast.parse("while not done():\n    time.sleep(0.1)"))) == []


# --- what is promised is done, not written down for later ------------------------------------------------
def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX)\b")
    rooms = [path for room in ("ess", "workers", "schedules", "config") for path in (ROOT / room).rglob("*")]
    texts = [path for path in rooms if path.suffix in {".py", ".yaml", ".html", ".css", ".js", ".mako", ".md", ".sql"}]
    assert len(texts) > len(SOURCES)
    found = [name_of(path) for path in texts if later.search(path.read_text(encoding="utf-8"))]
    assert not found


# --- the tasks -------------------------------------------------------------------------------------------
def task_names() -> list[str | None]:
    """The fixed name of each function of workers/tasks.py that is a task; None where it has none."""
    names: list[str | None] = []
    for node in ast.walk(parsed(ROOT / "workers" / "tasks.py")):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            target = call.func if call else decorator
            if isinstance(target, ast.Attribute) and target.attr == "task":
                fixed = [word.value for word in call.keywords if word.arg == "name"] if call else []
                names.append(fixed[0].value if fixed and isinstance(fixed[0], ast.Constant) else None)
    return names


def test_task_names_are_fixed_so_that_an_older_and_a_newer_worker_understand_each_other() -> None:
    names = task_names()
    assert None not in names, "a task without a fixed name is named after its function"
    assert len(set(names)) == len(names)
    assert all(str(name).startswith("ess.") for name in names)


def test_every_wake_up_finds_its_task_and_every_task_is_woken() -> None:
    woken = {task for task, _ in (*TASKS.values(), KEEP_TOGETHER)}
    assert set(task_names()) == woken | {"ess.accept_report"}
    assert {queue for _, queue in TASKS.values()} == set(QUEUES)


def test_tasks_are_registered_in_one_file() -> None:
    elsewhere = [
        name_of(path)
        for path in SOURCES
        if path != ROOT / "workers" / "tasks.py"
        and re.search(r"^\s*@(\w+\.task|shared_task)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert not elsewhere


# --- dependencies and decisions --------------------------------------------------------------------------
def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    return [name for name in [*project["dependencies"], *extras] if not name.startswith(project["name"])]


@pytest.mark.parametrize("dependency", dependencies())
def test_every_dependency_has_its_reason_on_its_line(dependency: str) -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.strip().startswith(f'"{dependency}"'))
    assert re.search(r"# \S+", line), f"{line.strip()}: why is it needed?"


def sections(text: str) -> dict[str, str]:
    """What stands under each heading of the second level."""
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in text.split("\n## ")[1:]}


def test_there_are_decisions() -> None:
    assert DECISIONS
    numbers = [path.name.partition("-")[0] for path in DECISIONS]
    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_every_decision_names_the_check_that_enforces_it(path: Path) -> None:
    told = sections(path.read_text(encoding="utf-8"))
    assert told.get("Decision"), "what was decided?"
    assert re.findall(r"`[^`]+`", told.get("Enforced by", "")), "which check would notice?"


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_what_a_decision_names_is_there(path: Path) -> None:
    named = re.findall(
        r"`((?:tests|docs|ess|workers|schedules|config|\.ci)/[\w./-]+)`", path.read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


# --- the failure modes -----------------------------------------------------------------------------------
def test_every_failure_mode_names_a_test_that_exists() -> None:
    promised = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
    names = re.findall(r"`(test_\w+)(…?)`", promised)
    assert len(names) > 10
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    missing = [name for name, more in names if f"def {name}{'' if more else '('}" not in tests]
    assert missing == []


if __name__ == "__main__":
    DIAGRAM.write_text(drawn(), encoding="utf-8")
