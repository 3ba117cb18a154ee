"""Behind the first alert: whoever the policy only informs hears of it, such as the 191 centre of the province.

A task of its own looks them up when the alerts have been committed: it may fail, hang or be late, and nobody who is
alerted notices.  They get no alert, so that it is nobody's load and nothing can be answered.
"""

from sqlmodel import select

from ess.domain.duty import Responder
from ess.domain.incident import OVER, Fact, Incident
from ess.domain.selection import choose
from ess.engine import Engine
from ess.outbox import Outbox
from ess.store import Transaction, candidates, incidents, rotas, tables


def inform(engine: Engine, deadline_id: int) -> None:
    """Tell them once, but nobody who has been alerted; no one where it is over, or in another province by now."""
    with engine.store.transaction() as tx:
        known = select(tables.Deadline.incident_id).where(tables.Deadline.id == deadline_id)
        incident_id = tx.session.exec(known).first()
        if incident_id is None:
            return
        incident = incidents.lock(tx, incident_id)  # before anything of it, as whoever decides does
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
        if deadline is None:
            return  # another worker has told them
        province, _ = deadline.subject.split()
        tx.session.delete(deadline)
        if incident.state in OVER:
            return
        if incident.place is None or incident.place.province.code != province:
            return
        outbox = Outbox(engine, tx, incident)
        for responder in _informed(engine, tx, incident):
            if outbox.inform(tx.session.get_one(tables.Responder, responder.id)):
                incidents.note(tx, incident.id, Fact("informed", {"responder_id": responder.id}))


def _informed(engine: Engine, tx: Transaction, incident: Incident) -> list[Responder]:
    targets, place = incident.policy.informed, incident.place
    provinces = [area.code for area in place.candidates] if place else []
    off = rotas.now(tx, provinces, engine.days_off).off_duty(provinces)
    found = candidates.find(tx, incident, targets, off, limit=candidates.PAGE).values()
    people = {person.id: person for each in found for person in each.responders}
    considered = choose(targets, people.values(), place, incident.pin, frozenset(), tx.now)
    alerted = {alert.responder_id for alert in incident.alerts}
    return [each.responder for each in considered if each.chosen and each.responder.id not in alerted]
