"""Channels that follow one another: whoever has not reacted is asked over the next one too.

The turn of each later channel is a deadline row, written with the alert.  When it comes, only an alert that
nobody has answered is asked further, and over no channel twice: one that failed before has brought the next
forward already.
"""

from sqlmodel import select

from ess.domain.incident import AlertState
from ess.engine import Engine
from ess.outbox import Outbox, Turn
from ess.store import incidents, tables


def ask_further(engine: Engine, deadline_id: int) -> None:
    """The turn of a channel has come."""
    with engine.store.transaction() as tx:
        incident_id = tx.session.exec(
            select(tables.Deadline.incident_id).where(tables.Deadline.id == deadline_id)
        ).first()
        if incident_id is None:
            return
        incident = incidents.lock(tx, incident_id)
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
        if deadline is None or deadline.due_at > tx.now:
            return  # it was kept, or the alert was given anew and its turns with it
        tx.session.delete(deadline)
        promised = Turn.read(deadline.subject)
        alert = next((alert for alert in incident.alerts if alert.id == promised.alert_id), None)
        began_at = deadline.due_at - promised.wait
        if alert and alert.state is AlertState.OPEN and tx.now < began_at + incident.policy.fresh_for:
            Outbox(engine, tx, incident).ask_further(alert, promised.channel, began_at)
