"""The policies as operators wrote them, read once at start; an error names the file and the line."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from ess.domain.errors import Misconfigured
from ess.domain.policy import Path as ValuePath
from ess.domain.policy import Policy, problems
from ess.domain.report import IncidentType

_POLICY = TypeAdapter(Policy)
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?) ?(s|min|h|d)$")


class _Loader(yaml.SafeLoader):
    """YAML in which `20 min` is a duration."""


def _duration(loader: _Loader, node: yaml.ScalarNode) -> timedelta:
    match = _DURATION.match(str(loader.construct_scalar(node)))
    if match is None:  # only an explicit tag comes here with another text
        raise yaml.constructor.ConstructorError(None, None, "write a duration such as `60 s`", node.start_mark)
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


_Loader.add_implicit_resolver("!duration", _DURATION, list("0123456789"))
_Loader.add_constructor("!duration", _duration)


def load_policies(folder: Path) -> Mapping[IncidentType, Policy]:
    """One policy for each of the five types.

    Misconfigured lists every problem of every file as `file:line: path: what to do`.
    """
    found: dict[IncidentType, Policy] = {}
    errors: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        policy, problems_here = _read(path)
        errors += problems_here
        if policy and policy.type in found:
            errors.append(f"{path}:1: type: another file has a policy for {policy.type} already")
        elif policy:
            found[policy.type] = policy
    missing = [kind for kind in IncidentType if kind not in found]
    if missing and not errors:
        errors = [f"{folder}: no policy for {', '.join(missing)}: add a file for each"]
    if errors:
        raise Misconfigured("\n".join(errors))
    return found


def _read(path: Path) -> tuple[Policy | None, list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader with durations
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, [f"{path}:{line}: {error.problem}"]
    try:
        policy = _POLICY.validate_python(data)
    except ValidationError as error:
        return None, [_line(path, tree, problem["loc"], _plain(problem)) for problem in error.errors()]
    return policy, [_line(path, tree, where, what) for where, what in problems(policy)]


def _plain(problem: Mapping[str, Any]) -> str:
    match problem["type"]:
        case "missing":
            return "is missing: add it"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return "is not a word that policies know: remove it or check its spelling"
        case "time_delta_type" | "time_delta_parsing":
            return "must be a duration such as `60 s`, `20 min`, `24 h` or `7 d`"
        case _:
            return str(problem["msg"])


def _line(path: Path, tree: yaml.Node | None, where: ValuePath, what: str) -> str:
    node, key_line = tree, 1
    for step in where:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                break
            key_line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            key_line = node.start_mark.line + 1
        else:
            break
    return f"{path}:{key_line}: {'.'.join(map(str, where)) or 'policy'}: {what}"
