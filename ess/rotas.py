"""Rotas as a coordinator edits them, in a YAML file that is refused whole where anything in it is wrong."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ess import written
from ess.domain.duty import NATIONAL_ROLES, Role
from ess.domain.errors import Refused
from ess.domain.roster import NATION
from ess.domain.rota import Holidays, Rota, Shift, members, problems
from ess.geo.names import DISTRICT, PROVINCE, areas


@dataclass(frozen=True)
class Member:
    """What a rota must know of somebody in the roster."""

    role: Role
    #: DOPA codes, or `TH`.
    jurisdictions: tuple[str, ...]


#: Those of these `ref`s that are in the roster.
Roster = Callable[[Collection[str]], Mapping[str, Member]]


@dataclass(frozen=True)
class _File:
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    rotas: tuple[Rota, ...]


def read(path: Path, roster: Roster) -> tuple[Rota, ...]:
    """The rotas of a file; Refused lists every problem as `file:line: path: what to do`."""
    file, errors = written.read(path, _File, lambda file: _problems(file, roster), noun="rotas", words="rotas")
    if file is None or errors:
        raise Refused("\n".join(errors))
    return file.rotas


def _problems(file: _File, roster: Roster) -> Iterator[tuple[written.ValuePath, str]]:
    names = [rota.name for rota in file.rotas]
    known = roster({ref for rota in file.rotas for ref in members(rota)})
    for i, rota in enumerate(file.rotas):
        if names.index(rota.name) != i:
            yield ("rotas", i, "name"), f"two rotas are called {rota.name!r}: give each its own name"
        found = [*problems(rota), *_area_problems(rota), *_era_problems(rota), *_member_problems(rota, known)]
        yield from ((("rotas", i, *where), what) for where, what in found)


def _area_problems(rota: Rota) -> Iterator[tuple[written.ValuePath, str]]:
    if rota.role in NATIONAL_ROLES:
        if rota.area != NATION:
            yield ("area",), f"{rota.role} works for the whole country: write `area: {NATION}`"
    elif rota.area not in areas() or len(rota.area) not in {PROVINCE, DISTRICT}:
        yield ("area",), "is not the code of a province or district, such as 65 or 6501"


def _era_problems(rota: Rota) -> Iterator[tuple[written.ValuePath, str]]:
    for i, shift in enumerate(rota.shifts):
        if wrong := written.era_problem(shift.starts.year):
            yield ("shifts", i, "starts"), wrong


def _member_problems(rota: Rota, known: Mapping[str, Member]) -> Iterator[tuple[written.ValuePath, str]]:
    places: list[tuple[written.ValuePath, str]] = [
        (("shifts", i, "turns", j, k), ref)
        for i, shift in enumerate(rota.shifts)
        for j, turn in enumerate(shift.turns)
        for k, ref in enumerate(turn)
    ]
    if rota.substitute:
        places.append((("substitute",), rota.substitute))
    for where, ref in places:
        if what := unfit(rota, ref, known):
            yield where, what


def unfit(rota: Rota, ref: str, known: Mapping[str, Member]) -> str | None:
    """Why somebody cannot have the duty of this rota: the choice would not find them; None where they can."""
    member = known.get(ref)
    if member is None:
        return f"{ref} is not in the roster: check the spelling, or import the roster first"
    if member.role is not rota.role:
        return f"{ref} is a {member.role} in the roster, and this rota is for {rota.role}"
    if not any(code.startswith(rota.area) or rota.area.startswith(code) for code in member.jurisdictions):
        return f"{ref} serves {', '.join(member.jurisdictions)} and not {rota.area}: nobody would be asked there"
    return None


# --- writing ---------------------------------------------------------------------------------------------
def write(rotas: Iterable[Rota]) -> str:
    """The rotas as a file that `read` takes."""
    data = {"rotas": [_rota(rota) for rota in rotas]}
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)


def _rota(rota: Rota) -> dict[str, Any]:
    return {
        "name": rota.name,
        "area": rota.area,
        "role": str(rota.role),
        "zone": rota.zone,
        "always": rota.always,
        **({"substitute": rota.substitute} if rota.substitute else {}),
        "shifts": [_shift(shift) for shift in rota.shifts],
    }


def _shift(shift: Shift) -> dict[str, Any]:
    hand_over = {"hand_over_every": _spoken(shift.hand_over_every)} if shift.hand_over_every else {}
    return {
        "starts": shift.starts,
        "repeats": shift.repeats,
        "lasts": _spoken(shift.lasts),
        **hand_over,
        "holidays": str(Holidays(shift.holidays)),
        "turns": [list(turn) for turn in shift.turns],
    }


def _spoken(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    size, unit = next(((size, unit) for unit, size in _UNITS if seconds % size == 0), (1, "s"))
    return f"{seconds / size:g} {unit}"


#: The largest first.
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))
