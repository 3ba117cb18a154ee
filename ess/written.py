"""Files that people write in YAML, read into dataclasses; what is wrong is told with file and line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

#: Where a value stands in a file: the words and numbers that lead to it.
ValuePath = tuple[str | int, ...]

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_NO_DURATION = "must be a duration such as `60 s`, `20 min`, `24 h` or `7 d`"
_DURATION = re.compile(r"^(\d+(?:\.\d+)?) ?(s|min|h|d)$")
#: From here on a year is one of the Buddhist era: 543 years ahead, and that in which messages and pages tell days.
_BUDDHIST_YEAR = 2400


class _Loader(yaml.SafeLoader):
    """YAML in which `20 min` is a duration."""


def duration(text: str) -> timedelta:
    """What `60 s`, `20 min`, `24 h` or `7 d` says; ValueError tells how to write it."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(_NO_DURATION)
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError("is longer than any time") from None


def era_problem(year: int) -> str | None:
    """What is wrong with a year of the Buddhist era, which lies centuries ahead for a program; None with any other."""
    return f"is a year of the Buddhist era: write {year - 543}" if year >= _BUDDHIST_YEAR else None


def _duration(loader: _Loader, node: yaml.ScalarNode) -> timedelta:
    try:
        return duration(str(loader.construct_scalar(node)))
    except ValueError as error:
        raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:  # YAML would take the last one, and the reader sees the first
            problem = f"{key.value!r} stands here twice: keep one"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver("!duration", _DURATION, list("0123456789"))
_Loader.add_constructor("!duration", _duration)


def read(
    path: Path, kind: type[T], problems: Callable[[Any], Iterable[tuple[ValuePath, str]]], *, noun: str, words: str
) -> tuple[T | None, list[str]]:
    """What the file says, and every problem of it as `file:line: path: what to do`; None where it cannot be read.

    `problems` looks at what could be read.  `noun` is what the file holds, and `words` are those that know its words.
    """
    try:
        tree, data = _parsed(path)
    except _Unreadable as error:
        return None, [f"{path}:{error}"]

    def line(where: ValuePath, what: str) -> str:
        return _line(path, tree, where, what, noun)

    wrong = [line(where, _NO_DURATION) for where in _bare_durations(kind, data, ())]
    if wrong:
        return None, wrong
    try:
        found = TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        return None, [line(problem["loc"], _plain(problem, words)) for problem in error.errors()]
    return found, [line(where, what) for where, what in problems(found)]


class _Unreadable(Exception):
    """The text is no YAML; begins with the line."""


def _parsed(path: Path) -> tuple[yaml.Node | None, Any]:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.compose(text, Loader=_Loader), yaml.load(text, Loader=_Loader)  # noqa: S506  # is a SafeLoader
    except OSError as error:
        raise _Unreadable(f"1: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _Unreadable(f"{line}: is not UTF-8: save the file as UTF-8") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _Unreadable(f"{line}: has a character that no text has: remove it") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _Unreadable(f"{line}: cannot be read as YAML: {error.problem}") from error


def _bare_durations(kind: Any, data: Any, where: ValuePath) -> Iterator[ValuePath]:
    """Where a duration is wanted and something else stands: pydantic would take a bare 90 for seconds."""
    if kind is timedelta and not isinstance(data, timedelta):
        yield where
    elif is_dataclass(kind) and isinstance(data, dict):
        for name, wanted in get_type_hints(kind).items():
            if name in data:
                yield from _bare_durations(wanted, data[name], (*where, name))
    elif get_origin(kind) is UnionType and data is not None:
        yield from _bare_durations(get_args(kind)[0], data, where)
    elif get_origin(kind) is tuple and isinstance(data, list):
        for i, item in enumerate(data):
            yield from _bare_durations(get_args(kind)[0], item, (*where, i))


def _plain(problem: Mapping[str, Any], words: str) -> str:
    match problem["type"]:
        case "missing":
            return "is missing: add it"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"is not a word that {words} know: remove it or check its spelling"
        case "tuple_type":
            return "must be a list"
        case "dataclass_type" | "dataclass_exact_type":
            return "must hold words and their values: copy a shipped file"
        case _:
            return str(problem["msg"])


def _line(path: Path, tree: yaml.Node | None, where: ValuePath, what: str, noun: str) -> str:
    node, key_line = tree, 1
    for i, step in enumerate(where):
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                break
            key_line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            key_line = node.start_mark.line + 1
        else:  # within a value there is only which kind of value it was tried as
            where = where[:i]
            break
    return f"{path}:{key_line}: {'.'.join(map(str, where)) or noun}: {what}"
