"""What each person hears about an incident, composed for the channel that carries it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ess.channels.envelope import Button, Message, Press
from ess.conversation.answer import ETAS_MIN, PRESENT, UNLINK, Ask, Pressed, Verb, button_data
from ess.conversation.citizen import (
    CONTACT_WORDS,
    DANGER_WORDS,
    OUTCOME_WORDS,
    PLACE,
    START,
    VICTIM_WORDS,
    wish_data,
)
from ess.conversation.spoken import progress_question, question
from ess.conversation.texts import Texts
from ess.domain.duty import Channel
from ess.domain.follow_up import OUTCOMES, WITH_SERVICE, FollowUp, Outcome
from ess.domain.incident import Alert, AlertState, DeadlineKind, Incident, TrackState
from ess.domain.place import address, distance_km
from ess.domain.policy import Kind
from ess.domain.report import Contact, IncidentType

#: Characters of one SMS in Thai (UCS-2), and in letters that GSM-7 has.
_THAI_SMS, _PLAIN_SMS = 70, 160
#: Characters of a button's label, as LINE counts them.
_LABEL = 20
#: Characters of what reporters wrote that one card holds, the newest ones; a bubble has room for several times that.
_MOST_WRITTEN = 1500

#: What a responder can do next, by what they have done.
NEXT_VERBS: dict[AlertState, tuple[Verb, ...]] = {
    AlertState.OPEN: (Verb.ACCEPT, Verb.DECLINE),
    AlertState.ACCEPTED: (Verb.DEPART, Verb.ARRIVE, Verb.RESOLVE, Verb.BACKUP, Verb.DECLINE),
    AlertState.DEPARTED: (Verb.ARRIVE, Verb.RESOLVE, Verb.BACKUP, Verb.DECLINE),
    AlertState.ARRIVED: (Verb.RESOLVE, Verb.BACKUP),
    AlertState.DECLINED: (Verb.ACCEPT,),
}
#: They may say when they will be there.
_COMING = frozenset({AlertState.ACCEPTED, AlertState.DEPARTED})


@dataclass(frozen=True)
class About:
    """What letters say of an incident beyond the incident itself."""

    incident: Incident
    received_at: datetime
    #: Latitude and longitude of the pin.
    pin: tuple[float, float] | None = None
    minor: bool = False
    #: A reporter is in danger themselves.
    in_danger: bool = False
    contact: Contact = Contact.NONE
    #: The place in the reporters' own words.
    addresses: tuple[str, ...] = ()


def alert_letter(
    texts: Texts,
    about: About,
    alert: Alert,
    channel: Channel,
    code: str | None,
    base: tuple[float, float] | None,
    link: str = "",
    backs: str = "",
) -> Message:
    """The alert itself: on LINE with everything that is needed to go, on SMS with a code and the district.

    With a `link` the SMS leads to a page instead of asking for an answer by SMS.  `backs` is whoever has the track,
    where this asks for backup.
    """
    incident = about.incident
    if channel is Channel.VOICE:
        return Message(question(texts, incident).words)
    if link:
        return _linked(texts, "alert", incident, link)
    km = distance_km(*about.pin, *base) if about.pin and base else None
    buttons = list(verb_buttons(texts, incident, alert))
    buttons += _map(texts, about)
    return texts.say(
        "alert",
        channel,
        buttons,
        code=incident.code,
        type=texts.word("types", incident.type),
        place=texts.place(incident.place),
        near=texts.subdistrict(incident.place),
        reported=texts.time(about.received_at),
        distance=texts.phrase("distance", km=f"{km:.1f}") if km is not None else "",
        minor=texts.phrase("minor") if about.minor else "",
        in_danger=texts.phrase("in_danger") if about.in_danger else "",
        backs=texts.phrase("backs", who=backs) if backs else "",
        n=code or "",
    )


def map_link(pin: tuple[float, float]) -> str:
    """Opens a pin in a map."""
    return "https://www.google.com/maps/search/?api=1&query={:.6f},{:.6f}".format(*pin)


def _map(texts: Texts, about: About) -> list[Button]:
    """Opens the pin, where there is one."""
    return [Button(texts.word("buttons", "map"), map_link(about.pin), Press.OPEN_LINK)] if about.pin else []


def corrected_letter(texts: Texts, about: About, alert: Alert, channel: Channel) -> Message:
    """Where it is after all, with what an alert that was not answered yet can be answered with."""
    asked = verb_buttons(texts, about.incident, alert) if alert.state is AlertState.OPEN else ()
    buttons = [*asked, *_map(texts, about)]
    place = texts.place(about.incident.place)
    message = texts.say("place_corrected", channel, buttons, code=about.incident.code, place=place)
    return message if buttons else Message(message.text)


def informed_letter(texts: Texts, about: About, channel: Channel) -> Message:
    """That it happens and where, for whoever is only informed: nothing to answer."""
    place = texts.place(about.incident.place)
    message = texts.say("informed", channel, _map(texts, about), code=about.incident.code, place=place)
    return message if message.buttons else Message(message.text)


def written_letter(
    texts: Texts, incident: Incident, alert: Alert, addresses: Iterable[str], lines: Iterable[str]
) -> Message:
    """Where it is and what happens in the reporters' own words, for whoever has taken it; the locked screen shows none.

    The times until arrival stand below it again, because a newer message takes them away.
    """
    where, said = _newest(addresses), _newest(lines)
    return replace(
        texts.say(
            "reporter_wrote",
            Channel.LINE,
            code=incident.code,
            address=texts.phrase("written_address", address=where) if where else "",
            words=texts.phrase("written_words", words=said) if said else "",
        ),
        replies=tuple(eta_buttons(texts, alert)),
    )


def _newest(lines: Iterable[str]) -> str:
    """The end of it, where it is longer than a card; each line without breaks, which a card gives a meaning."""
    said = "\n".join(" ".join(line.split()) for line in lines)
    return said if len(said) <= _MOST_WRITTEN else f"…{said[-_MOST_WRITTEN:].lstrip()}"


def next_verbs(incident: Incident, alert: Alert) -> list[Verb]:
    """What can be done next with this alert: whoever answers for the incident says when the danger is over, and backup
    is called where somebody has the track."""
    wrong = set()
    if not incident.is_lead(alert.track) or alert.backup:
        wrong.add(Verb.RESOLVE)
    if incident.track(alert.track).state is not TrackState.ACKNOWLEDGED:
        wrong.add(Verb.BACKUP)
    return [verb for verb in NEXT_VERBS.get(alert.state, ()) if verb not in wrong]


def verb_buttons(texts: Texts, incident: Incident, alert: Alert) -> Iterable[Button]:
    """A button for each thing that can be done next."""
    for verb in next_verbs(incident, alert):
        yield Button(texts.word("buttons", verb), button_data(Pressed(verb, alert_id=alert.id)))


def eta_buttons(texts: Texts, alert: Alert) -> Iterable[Button]:
    """Times until arrival, for whoever is not there yet."""
    for n in ETAS_MIN if alert.state in _COMING else ():
        pressed = Pressed(Verb.ETA, alert_id=alert.id, eta_min=n)
        yield Button(texts.word("buttons", "minutes", n=n), button_data(pressed))


def _linked(texts: Texts, key: str, incident: Incident, link: str, arrival: str = "") -> Message:
    """An SMS of one segment with a link: the code and the link always, of the place as much as there is room for."""
    province = replace(incident.place, districts=()) if incident.place else None
    names = [texts.place(incident.place), texts.place(province), ""]
    said = [
        texts.say(key, Channel.SMS, code=incident.code, link=link, place=name, arrival=arrival).text for name in names
    ]
    tight = [" ".join(text.split()) for text in said]
    fits = (text for text in tight if len(text) <= (_PLAIN_SMS if text.isascii() else _THAI_SMS))
    return Message(next(fits, tight[-1]))


def progress_letter(
    texts: Texts, key: str, incident: Incident, alert: Alert, channel: Channel, code: str | None, link: str = ""
) -> Message:
    """Recorded, and what can be done next; or the question whether they have arrived.

    By SMS a `code` is answered with, and the `link` comes behind the verbs; without one there is the link alone.
    """
    arrival = texts.time(alert.eta_at) if alert.eta_at else ""
    if link and code is None:
        return _linked(texts, key, incident, link, arrival=arrival)
    verbs = next_verbs(incident, alert)
    if channel is Channel.VOICE:
        return Message(progress_question(texts, key, incident, verbs).words)
    by_sms = (
        " ".join(texts.word("sms_verbs", verb, n=code) for verb in verbs) if code and channel is Channel.SMS else ""
    )
    buttons = list(verb_buttons(texts, incident, alert))
    message = texts.say(key, channel, buttons, code=incident.code, n=code or "", verbs=by_sms, arrival=arrival)
    if link:
        return Message(f"{message.text} {link}")
    if not buttons:
        return Message(message.text)
    return replace(message, replies=tuple(eta_buttons(texts, alert))) if channel is Channel.LINE else message


def which_incident_letter(texts: Texts, waiting: Iterable[tuple[Incident, Alert]]) -> Message:
    """Each incident that somebody may mean, with what to type for it."""
    lines = []
    for incident, alert in waiting:
        verbs = "\n".join(texts.word("sms_verbs", verb, n=incident.code) for verb in next_verbs(incident, alert))
        lines.append(f"{incident.code} {texts.place(incident.place)}\n{verbs}")
    return texts.say("which_incident", Channel.LINE, which="\n\n".join(lines))


def kept_letter(texts: Texts, channel: Channel) -> Message:
    """What a responder wrote is kept; in LINE they can report something of their own instead."""
    report = Button(texts.word("buttons", "report"), START)
    return texts.say("responder_noted", channel, (report,))


_OVERDUE = frozenset({"follow_up_overdue", "visit_overdue"})


def follow_up_letter(
    texts: Texts, key: str, about: About, follow_up: FollowUp, channel: Channel, *, can_call: bool = False
) -> Message:
    """The call to make, or the visit, with the victim's wish before anything else; or that it is overdue.

    Where the engine `can_call` it offers to connect the two; what is overdue it offers to a supervisor to take over.
    """
    attempt = follow_up.tries + 1
    asks = [Ask.TAKE] if key in _OVERDUE else [Ask.CALL] if can_call else []
    buttons = [Button(texts.word("buttons", ask), button_data(Pressed(ask, follow_up_id=follow_up.id))) for ask in asks]
    buttons += [
        Button(
            texts.word("buttons", outcome), button_data(Pressed(outcome, follow_up_id=follow_up.id, attempt=attempt))
        )
        for outcome in OUTCOMES[follow_up.plan.kind]
    ]
    if follow_up.is_visit:
        buttons += _map(texts, about)
    return texts.say(
        key,
        channel,
        buttons,
        code=about.incident.code,
        place=texts.place(about.incident.place),
        due=texts.moment(follow_up.due_at),
        contact=texts.word("contact", about.contact),
        address=texts.phrase("visit_address", address=_newest(about.addresses)) if about.addresses else "",
        minor=texts.phrase("minor") if about.minor else "",
        attempt=attempt,
    )


def noted_letter(texts: Texts, incident: Incident, pressed: Pressed, channel: Channel) -> Message:
    """That it is recorded; where a service is needed or another agency goes on, the question which."""
    code = incident.code
    if pressed.at is not None:
        return texts.say("follow_up_moved", channel, code=code, due=texts.moment(pressed.at))
    if pressed.service is None and pressed.do in WITH_SERVICE:
        group, key = _SERVICES[Outcome(pressed.do)]
        buttons = [
            Button(label, button_data(replace(pressed, service=word))) for word, label in texts.words(group).items()
        ]
        return texts.say(key, channel, buttons, code=code)
    key = "visit_noted" if pressed.do in OUTCOMES[Kind.VISIT] else "follow_up_noted"
    return texts.say(key, channel, code=code)


#: The words that are offered, and the question.
_SERVICES: dict[Outcome, tuple[str, str]] = {
    Outcome.NEEDS_SERVICE: ("needs", "follow_up_need"),
    Outcome.REFERRED: ("agencies", "follow_up_agency"),
}


def move_letter(texts: Texts, incident: Incident, pressed: Pressed, times: Iterable[datetime]) -> Message:
    """When the call may be moved to, each time a quick reply; or that it may not any more."""
    buttons = [Button(texts.moment(at), button_data(replace(pressed, at=at))) for at in times]
    key = "follow_up_move" if buttons else "follow_up_no_later"
    return texts.say(key, Channel.LINE, buttons, code=incident.code)


def unlink_letter(texts: Texts, responder_id: UUID, who: str) -> Message:
    """Whether they mean it: one button, which unlinks that responder."""
    button = Button(texts.word("buttons", "unlink"), f"{UNLINK}{responder_id}")
    return texts.say("unlink_confirm", Channel.LINE, (button,), who=who)


def roll_call_letter(texts: Texts, roll_call_id: UUID, closes_at: datetime, channel: Channel) -> Message:
    """Nothing has happened: they are asked to answer once, by a button or a digit."""
    button = Button(texts.word("buttons", "present"), f"{PRESENT}{roll_call_id}")
    return texts.say("roll_call", channel, (button,), due=texts.time(closes_at))


def citizen_reply(texts: Texts, key: str, code: str = "") -> Message:
    """What a citizen hears in the chat, with the quick replies that belong to it and to the incident of this code."""
    match key:
        case "welcome" | "unsafe_noted":
            buttons = [Button(texts.word("buttons", "report"), START)]
        case "choose_type" | "still_there_type":
            buttons = [Button(texts.word("type_labels", kind), f"type={kind}") for kind in IncidentType]
        case "share_pin" | "where" | "still_there_pin":
            buttons = [Button(texts.word("buttons", "share_pin"), press=Press.SHARE_LOCATION)]
        case "ask_phone" | "phone_noted" | "minor_noted":
            buttons = _wishes(texts, code, *DANGER_WORDS, *VICTIM_WORDS, *CONTACT_WORDS)
        case "ask_contact":
            buttons = _wishes(texts, code, *VICTIM_WORDS, *CONTACT_WORDS)
        case _:
            buttons = []
    return texts.say(key, Channel.LINE, buttons)


def _wishes(texts: Texts, code: str, *words: str) -> list[Button]:
    """A quick reply for each thing that a reporter can say of themselves, about the incident of this code."""
    return [Button(texts.word("wishes", word), wish_data(word, code)) for word in words]


def reporter_letter(
    texts: Texts, key: str, incident: Incident, channel: Channel, who: str, arrival_at: datetime | None
) -> tuple[Message, ...]:
    """The public promises, received and acknowledged with the time of arrival; and what follows them in the chat."""
    options = incident.place.options if key == "which_place" and incident.place else ()
    asks_district = len({province for _, province in options}) < len(options)
    areas = [district if asks_district and district else province for district, province in options]
    pin = Button(texts.word("buttons", "share_pin"), press=Press.SHARE_LOCATION)
    match key:
        case "where" | "which_place":
            labels = [texts.name(area) if asks_district else texts.province(area) for area in areas]
            buttons = [
                Button(label[:_LABEL], PLACE + address(*option)) for label, option in zip(labels, options, strict=True)
            ]
            buttons.append(pin)
        case "reporter_over":
            buttons = _wishes(texts, incident.code, *OUTCOME_WORDS)
        case _:
            buttons = []
    arrival = texts.time(arrival_at) if arrival_at else ""
    names = " ".join(map(texts.name, areas))
    asked = "which_district" if asks_district else key
    first = texts.say(asked, channel, buttons, code=incident.code, who=who, arrival=arrival, options=names)
    if key == "received" and channel is Channel.LINE:
        return first, citizen_reply(texts, "ask_phone", incident.code)
    return (first,)


def status_letter(texts: Texts, incident: Incident, who: str, channel: Channel = Channel.LINE) -> Message:
    """How it stands with the reporter's incident; by SMS in words that betray nothing."""
    if channel is Channel.SMS:
        return texts.say("status", channel, code=incident.code, state=texts.word("sms_statuses", incident.state))
    arrivals = (due.due_at for due in incident.deadlines if due.kind is DeadlineKind.ARRIVE)
    arrival_at = next(arrivals, None)
    arrival = texts.phrase("arrival", arrival=texts.time(arrival_at)) if arrival_at else ""
    how = texts.word("statuses", incident.state, who=who, arrival=arrival)
    return texts.say("status", Channel.LINE, code=incident.code, how=how)
