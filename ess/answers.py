"""What a link in an SMS opens: how one responder's alert stands, and what they can do next."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from ess import personal
from ess.channels.envelope import Button
from ess.conversation.answer import Pressed, Verb, read_button
from ess.conversation.letters import eta_buttons, map_link, verb_buttons
from ess.domain.incident import OVER, TAKEN, AlertState
from ess.engine import Engine
from ess.store import Transaction, accounts, incidents, links, tables


@dataclass(frozen=True)
class Standing:
    """One alert as its responder may see it; place and type while it is theirs to answer or to work on."""

    alert_id: UUID
    code: str
    #: How it stands, as `answer_page` in `config/messages` words it.
    key: str
    #: What can be done next, with the words on its button.
    verbs: Mapping[Verb, str] = field(default_factory=dict)
    #: Minutes until arrival that can be said, with the words on their buttons.
    etas: Mapping[int, str] = field(default_factory=dict)
    #: The clock time at which they said that they will be there.
    eta: str = ""
    place: str = ""
    #: In the reporters' own words, for whoever has taken it.
    address: str = ""
    type: str = ""
    reported: str = ""
    map_url: str = ""


def standing(engine: Engine, secret: str, *, is_shown: bool) -> Standing | None:
    """What the link opens; None where there is no such link.

    `is_shown`: somebody reads it now, and what is personal in it is a reading on record.
    """
    texts = engine.texts
    with engine.store.transaction() as tx:
        link = links.find(tx, secret)
        if link is None:
            return None
        row = tx.session.get_one(tables.Alert, link.alert_id)
        incident = incidents.read(tx, row.incident_id)
        alert = incident.alert(link.alert_id)
        if incident.state in OVER:
            return Standing(alert.id, incident.code, "over")
        if alert.state is AlertState.UNREACHABLE:  # the link has reached them after all
            alert = replace(alert, state=AlertState.OPEN)
        if link.is_old or alert.state is AlertState.STOOD_DOWN:
            return Standing(alert.id, incident.code, "old" if link.is_old else alert.state)
        verbs = {Verb(button.do): label for button, label in _read(verb_buttons(texts, incident, alert))}
        etas = {button.eta_min: label for button, label in _read(eta_buttons(texts, alert)) if button.eta_min}
        if alert.state not in {AlertState.OPEN, *TAKEN}:
            return Standing(alert.id, incident.code, alert.state, verbs)
        found = tx.session.get_one(tables.Incident, incident.id)
        address = _address(tx, incident.id, row) if is_shown and alert.state in TAKEN else ""
        return Standing(
            alert.id,
            incident.code,
            alert.state,
            verbs,
            etas,
            eta=texts.time(alert.eta_at) if alert.eta_at and etas else "",
            place=texts.place(incident.place),
            address=address,
            type=texts.word("types", incident.type),
            reported=texts.time(found.received_at),
            map_url=map_link((found.pin[0], found.pin[1])) if found.pin else "",
        )


def _address(tx: Transaction, incident_id: UUID, alert: tables.Alert) -> str:
    """The place as it was reported; that they can read it is on record."""
    said = "\n".join(accounts.addresses(incidents.reports(tx, incident_id)))
    if said:
        personal.note_reading(tx, incident_id, "address", responder_id=alert.responder_id, alert_id=alert.id)
    return said


def _read(buttons: Iterable[Button]) -> Iterator[tuple[Pressed, str]]:
    """What each button says, with the words on it."""
    for button in buttons:
        pressed = read_button(button.data)
        if pressed:
            yield pressed, button.label
