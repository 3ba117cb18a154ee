"""The policies as operators wrote them, read once at start; an error names the file and the line."""

from collections.abc import Mapping
from pathlib import Path

from ess import written
from ess.domain.errors import Misconfigured
from ess.domain.policy import Policy, problems
from ess.domain.report import IncidentType


def load_policies(folder: Path) -> Mapping[IncidentType, Policy]:
    """One policy for each of the five types.

    Misconfigured lists every problem of every file as `file:line: path: what to do`.
    """
    found: dict[IncidentType, Policy] = {}
    errors: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        policy, problems_here = written.read(path, Policy, problems, noun="policy", words="policies")
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
