"""Who is responsible for a follow-up at this instant: the province's social worker on duty, or its One Home team."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, func, select

from ess.domain.duty import Responder
from ess.domain.follow_up import FollowUpState
from ess.domain.incident import Incident, State
from ess.domain.policy import FollowUpPlan, Target, Within
from ess.domain.reason import Phrase
from ess.domain.selection import choose
from ess.store import Transaction, candidates, tables

#: A child is called by whoever has learnt to talk with children, where there is one.
_WITH_CHILDREN = "children"
#: Of a province's social workers so many are looked at for a call.
_MOST_CALLERS = 256


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 3))")


def responsible(
    tx: Transaction,
    incident: Incident,
    plan: FollowUpPlan,
    off: Mapping[str, Phrase],
    known: Sequence[UUID | None] = (),
) -> UUID | None:
    """Whoever of the province is to be asked; None where nobody is on duty and can be reached.

    Of those with most of the skills: whoever of `known` has had a follow-up of this incident, the first of them first,
    so that nobody has to tell their story anew; else the one with the fewest open cases.  `off` says by `ref` who
    is off duty, and why.
    """
    wanted = Target(plan.by, Within.PROVINCE, count=_MOST_CALLERS, skills=_skills(tx, incident))
    pool = candidates.find(tx, incident, [wanted], off, limit=_MOST_CALLERS)[wanted].responders
    considered = choose([wanted], pool, incident.place, None, frozenset(), tx.now)
    able = [candidate.responder for candidate in considered if candidate.chosen]
    if not able:
        return None
    n_missing = {responder.id: len(set(wanted.skills) - responder.skills) for responder in able}
    fewest = min(n_missing.values())
    fit = [responder for responder in able if n_missing[responder.id] == fewest]
    before = next((each for each in known if each in {responder.id for responder in fit}), None)
    return before or _least_busy(tx, incident, fit)


def _least_busy(tx: Transaction, incident: Incident, able: Sequence[Responder]) -> UUID:
    # Many calls fall due at the same opening: one after the other, so that each sees whom the one before has asked.
    # Nobody is alerted here, so that waiting holds no alert up; one key for all roles, so that no two wait crosswise.
    province = incident.place.province.code if incident.place else ""
    tx.session.execute(_LOCK, {"key": f"callers {province}"})
    cases: Sequence[Any] = tx.session.exec(
        select(tables.FollowUp.responder_id, func.count(func.distinct(tables.FollowUp.incident_id)))
        .join(tables.Incident, col(tables.Incident.id) == col(tables.FollowUp.incident_id))
        .where(
            col(tables.FollowUp.responder_id).in_([responder.id for responder in able]),
            tables.FollowUp.state != FollowUpState.DONE,
            tables.Incident.state == State.RESOLVED,  # of one that was closed over its calls nothing is to be made
        )
        .group_by(col(tables.FollowUp.responder_id))
    ).all()
    n_cases: dict[UUID, int] = dict(cases)
    # They come ranked, and of equals the first is kept.
    return min(able, key=lambda found: n_cases.get(found.id, 0)).id


def _skills(tx: Transaction, incident: Incident) -> tuple[str, ...]:
    minors = col(tables.Report.victim_is_minor).is_(True)
    query = select(tables.Report.id).where(tables.Report.incident_id == incident.id, minors)
    return (_WITH_CHILDREN,) if tx.session.exec(query).first() else ()
