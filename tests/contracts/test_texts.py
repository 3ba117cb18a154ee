"""config/messages against the code: every text that is asked for is there, and fits the phone that shows it.

Letters are composed by the code itself, for the longest place names of Thailand, and then measured.
https://developers.line.biz/en/reference/messaging-api/ and https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
"""

import ast
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import geothai
import pytest
import yaml
from linebot.v3.messaging import FlexContainer

from config.settings import HERE
from ess import attachments, roster
from ess.channels.bubble import bubble
from ess.channels.envelope import Button, Message, Press
from ess.conversation import citizen, letters, spoken
from ess.conversation.answer import VERBS, Ask, Pressed, Verb, read_button
from ess.conversation.citizen import START
from ess.conversation.letters import (
    About,
    alert_letter,
    citizen_reply,
    corrected_letter,
    follow_up_letter,
    informed_letter,
    progress_letter,
)
from ess.conversation.texts import Texts
from ess.domain.bridge import Obstacle
from ess.domain.duty import Channel, Role
from ess.domain.follow_up import FollowUp, FollowUpState, Outcome
from ess.domain.incident import Alert, AlertState, Deadline, DeadlineKind, Incident, State, Track, TrackState
from ess.domain.place import Area, Place
from ess.domain.place import Source as PlaceSource
from ess.domain.policy import Grade, Kind
from ess.domain.reason import Why
from ess.domain.report import Contact, IncidentType, Source
from ess.policies import load_policies
from ess.simulator import line_rules, taps
from ess.store import links
from ess.store.tables import DeliveryState
from ess.story import SENTENCES
from ess.web import operations

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ("th", "en")
#: Where texts are asked for by key.
SPEAKERS = (
    *(
        "ess/linking.py",
        "ess/roll_call.py",
        "ess/outbox.py",
        "ess/reporting.py",
        "ess/responding.py",
        "ess/bridges.py",
        "ess/domain/follow_up.py",
        "ess/deliveries.py",
        "ess/sending.py",
        "schedules/audit.py",
    ),
    *("ess/conversation/letters.py", "ess/conversation/citizen.py"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "ess" / "domain" / "incident").glob("*.py")),
)

#: Twilio keeps these words: a text that begins with one looks like an answer to it.
RESERVED = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
#: All that an SMS may be filled with: codes, the district, times.  Anybody may see the phone.
SAID_BY_SMS = frozenset(
    {
        *("code", "n", "place", "verbs", "arrival", "due", "example", "codes", "down", "into", "options"),
        *("asked", "answered", "silent", "unasked", "link", "state"),
    }
)
#: Six buttons and a line of text are what a phone of 640 points shows without scrolling.
MOST_ON_A_CARD = 6
#: SMS that may take two segments, each with the reason.
TWO_SEGMENTS = {
    "which_code": "lists the open alerts of the phone",
    "which_place": "lists three provinces",
    "which_district": "lists three districts",
    # Once for each alert that is taken, behind what can be answered: the link to the place and the map.
    **dict.fromkeys(("next", "eta_noted", "departed_yet", "arrived_yet", "yours_now"), "has the verbs and a link"),
}

#: Characters of GSM-7, 160 to an SMS; those of the extension count twice.  Any other makes it UCS-2, 70 units.
_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_TWICE = frozenset("^{}\\[~]|€")

CODE, DIGITS = "BCD234", "999"
#: As long as an address of the web edge may be for one SMS; docs/deployment.md says so.
LINK = f"https://{'d' * 30}/a/{'x' * links.LENGTH}"
AT = datetime(2026, 11, 28, 16, 59, tzinfo=UTC)
_ID = UUID(int=2**128 - 1)
_POLICIES = load_policies(HERE / "policies")
_PLAN = _POLICIES[IncidentType.ASSAULT].follow_ups[0]
CALL = FollowUp(_ID, _PLAN, _ID, AT, tries=98)
VISIT = FollowUp(_ID, replace(_PLAN, kind=Kind.VISIT), _ID, AT)


# --- measuring -------------------------------------------------------------------------------------------
def units(text: str) -> int:
    """The length in UTF-16 units, as LINE and UCS-2 count it."""
    return len(text.encode("utf-16-le")) // 2


def segments(text: str) -> int:
    """How many SMS the text takes."""
    if set(text) <= _GSM_7 | _GSM_7_TWICE:
        length, alone, joined = len(text) + sum(char in _GSM_7_TWICE for char in text), 160, 153
    else:
        length, alone, joined = units(text), 70, 67
    return 1 if length <= alone else -(-length // joined)


def placeholders(text: str) -> set[str]:
    """The names between braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


# --- what there is ---------------------------------------------------------------------------------------
@cache
def _data(language: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HERE / "messages" / f"{language}.yaml").read_text(encoding="utf-8"))
    return found


@cache
def _texts(language: str) -> Texts:
    return Texts(HERE / "messages", language)


def leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every text with the path of its keys."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", str(value)


@cache
def places() -> tuple[Place, ...]:
    """Every district of Thailand."""
    return tuple(
        Place(province, (Area(district.code, district.name_th, district.name_en),), (province,), 1.0, "pin")
        for each in geothai.provinces()
        for province in [Area(each.code, each.name_th, each.name_en)]
        for district in geothai.districts(each.code)
    )


@cache
def longest_place(language: str) -> Place:
    """The district whose name and province take most room."""
    return max(places(), key=lambda place: units(_texts(language).place(place)))


def longest_provinces(language: str) -> tuple[Area, ...]:
    """The three provinces whose names take most room."""
    provinces = dict.fromkeys(place.province for place in places())
    return tuple(sorted(provinces, key=lambda area: -units(_texts(language).name(area)))[:3])


def longest_districts(language: str, province: Area) -> tuple[Area, ...]:
    """The three districts of the province whose names take most room."""
    districts = [place.districts[0] for place in places() if place.province == province]
    return tuple(sorted(districts, key=lambda area: -units(_texts(language).name(area)))[:3])


@cache
def longest_name() -> str:
    """The longest name in the sample roster."""
    return max((row.name_th for row in roster.parse_csv(roster.sample_csv())), key=units)


def an_incident(place: Place | None, kind: IncidentType = IncidentType.ASSAULT) -> Incident:
    """An incident whose lead track is asked."""
    policy = _POLICIES[kind]
    return Incident(_ID, CODE, kind, policy, State.ALERTING, place, tuple(Track(track.name) for track in policy.tracks))


def acknowledged(incident: Incident) -> Incident:
    """Its tracks are taken, so that everything can be done that whoever has one can do."""
    return replace(incident, tracks=tuple(replace(track, state=TrackState.ACKNOWLEDGED) for track in incident.tracks))


def an_alert(state: AlertState = AlertState.OPEN) -> Alert:
    """An alert of the lead track, which has the most to say."""
    return Alert(_ID, _ID, Role.POLICE_STATION, _POLICIES[IncidentType.ASSAULT].lead.name, 1, state)


#: What a citizen may hear in the chat.
CITIZEN_REPLIES = (
    *("welcome", "choose_type", "share_pin", "ask_phone", "phone_noted", "phone_unclear", "noted"),
    *("still_there_type", "still_there_pin", "kept"),
    *("ask_contact", "contact_noted", "minor_noted", "safe_noted", "cancel_noted", "unsafe_noted", "well_noted"),
)


@dataclass(frozen=True)
class Letter:
    """One message as somebody gets it."""

    key: str
    channel: Channel
    message: Message


def all_letters(language: str) -> Iterator[Letter]:
    """Everything that the engine says, with the longest of everything that it fills in."""
    texts, who = _texts(language), longest_name()
    place = longest_place(language)
    for channel in Channel:
        for kind in IncidentType:
            about = About(an_incident(place, kind), AT, pin=(16.821123, 100.265912), minor=True, contact=Contact.NONE)
            for backs in ("", who):
                letter = alert_letter(texts, about, an_alert(), channel, DIGITS, (5.61, 105.63), backs=backs)
                yield Letter("alert", channel, letter)
        if channel is Channel.LINE:  # what is personal goes by no other
            taken = an_alert(AlertState.ACCEPTED)
            for said in (["a made-up address"], []), ([], ["made-up words"]), (["ที่อยู่สมมุติ"] * 99, ["คำสมมุติ"] * 9999):
                yield Letter("reporter_wrote", channel, letters.written_letter(texts, an_incident(place), taken, *said))
        for state in (AlertState.OPEN, AlertState.ACCEPTED):
            letter = corrected_letter(texts, about, an_alert(state), channel)
            yield Letter("place_corrected", channel, letter)
        for pin in ((16.821123, 100.265912), None):
            yield Letter("informed", channel, informed_letter(texts, replace(about, pin=pin), channel))
        said = () if channel is Channel.VOICE else ("next", "eta_noted", "yours_now")  # a call asks and tells nothing
        for key in (*said, "departed_yet", "arrived_yet"):
            for state in (AlertState.ACCEPTED, AlertState.DEPARTED, AlertState.ARRIVED):
                taken, alert = acknowledged(an_incident(place)), replace(an_alert(state), eta_at=AT)
                for link in (LINK, "") if channel is Channel.SMS else ("",):
                    yield Letter(key, channel, progress_letter(texts, key, taken, alert, channel, DIGITS, link))
        for contact in Contact:
            about = About(
                *(an_incident(place), AT),
                pin=(16.821123, 100.265912),
                minor=True,
                contact=contact,
                addresses=("บ้านเลขที่ 99/9 (สมมุติ)",),
            )
            for key in (
                *("follow_up", "follow_up_reminder", "follow_up_overdue"),
                *("bridge_over", "bridge_unanswered", "bridge_lost"),
            ):
                yield Letter(key, channel, follow_up_letter(texts, key, about, CALL, channel, can_call=True))
            for key in ("visit", "visit_reminder", "visit_overdue"):
                yield Letter(key, channel, follow_up_letter(texts, key, about, VISIT, channel))
        for outcome in (Outcome.REACHED, Outcome.VISITED):
            pressed = Pressed(outcome, follow_up_id=_ID)
            key = "visit_noted" if outcome is Outcome.VISITED else "follow_up_noted"
            yield Letter(key, channel, letters.noted_letter(texts, an_incident(place), pressed, channel))
        guess = replace(place, candidates=longest_provinces(language))
        for key in (
            *("received", "where", "which_place", "acknowledged", "new_arrival", "in_good_hands", "goes_on_as"),
            "team_comes",
            *(() if channel is Channel.SMS else ("arrived", "reporter_over")),  # by SMS the promises alone
        ):
            for message in letters.reporter_letter(texts, key, an_incident(guess), channel, who, AT):
                yield Letter(key, channel, message)
        tie = replace(place, districts=longest_districts(language, place.province), candidates=(place.province,))
        for message in letters.reporter_letter(texts, "which_place", an_incident(tie), channel, who, AT):
            yield Letter("which_district", channel, message)
        for message in letters.reporter_letter(texts, "which_place", an_incident(None), channel, who, None):
            yield Letter("which_place", channel, message)
        yield Letter("merged", channel, texts.say("merged", channel, code=CODE, into=CODE))
        for key in (
            "another_report",
            "stood_down",
            "over",
            "declined",
            "already_taken",
            "backup_called",
            "backup_comes",
            "backup_gone",
            "handed_over",
        ):
            yield Letter(key, channel, texts.say(key, channel, code=CODE, who=who))
        for key in ("refused", "already_recorded"):
            for state in texts.words("states").values():
                yield Letter(key, channel, texts.say(key, channel, code=CODE, state=state))
        for key in (
            *("arrival_overdue", "place_contradicted", "outside_area"),
            *("backup_alerted", "backup_wanted", "hand_over_refused"),
        ):
            province = texts.province(place.province)
            said = texts.say(key, channel, code=CODE, place=texts.place(place), who=who, said=province)
            yield Letter(key, channel, said)
        said = texts.say(
            "audit_alarm", channel, what=", ".join(_data(language)["alarms"].values()), detail="late: 20 s"
        )
        yield Letter("audit_alarm", channel, said)
        for key in ("reporter_safe", "reporter_cancels", "reporter_unsafe", "reporter_in_danger"):
            yield Letter(key, channel, texts.say(key, channel, code=CODE, place=texts.place(place), who=who))
        yield Letter("channel_down", channel, texts.say("channel_down", channel, down="LINE", reason="LINE: failed"))
        yield Letter("duty_gap", channel, texts.say("duty_gap", channel, detail="a rota: 1 – 2"))
        why = max(_data(language)["unreachable"].values(), key=units)
        yield Letter("responder_unreachable", channel, texts.say("responder_unreachable", channel, who=who, why=why))
        yield Letter("roll_call", channel, letters.roll_call_letter(texts, _ID, AT, channel))
        yield Letter("present_noted", channel, texts.say("present_noted", channel))
        numbers = {"date": texts.moment(AT), "asked": "99999", "answered": "99998", "silent": "99997"}
        numbers |= {"unasked": "99996"}
        yield Letter("roll_call_over", channel, texts.say("roll_call_over", channel, **numbers))
    yield Letter("bridge_rings", Channel.LINE, texts.say("bridge_rings", Channel.LINE, code=CODE))
    for why in Obstacle:
        refused = texts.say("bridge_refused", Channel.LINE, code=CODE, why=texts.word("obstacles", why))
        yield Letter("bridge_refused", Channel.LINE, refused)
    for outcome, key in ((Outcome.NEEDS_SERVICE, "follow_up_need"), (Outcome.REFERRED, "follow_up_agency")):
        pressed = Pressed(outcome, follow_up_id=_ID)
        yield Letter(key, Channel.LINE, letters.noted_letter(texts, an_incident(place), pressed, Channel.LINE))
    pressed = Pressed(Outcome.MOVED, follow_up_id=_ID)
    yield Letter("follow_up_move", Channel.LINE, letters.move_letter(texts, an_incident(place), pressed, (AT,) * 3))
    yield Letter("follow_up_no_later", Channel.LINE, letters.move_letter(texts, an_incident(place), pressed, ()))
    moved = letters.noted_letter(texts, an_incident(place), replace(pressed, at=AT), Channel.LINE)
    yield Letter("follow_up_moved", Channel.LINE, moved)
    for key in CITIZEN_REPLIES:
        yield Letter(key, Channel.LINE, citizen_reply(texts, key, CODE))
    for state in State:
        incident = replace(an_incident(place), state=state, deadlines=frozenset({Deadline(AT, DeadlineKind.ARRIVE)}))
        for channel in (Channel.LINE, Channel.SMS):
            yield Letter("status", channel, letters.status_letter(texts, incident, who, channel))
    for key in ("linked", "link_refused", "link_paused", "link_moved", "unlinked", "not_linked"):
        yield Letter(key, Channel.LINE, texts.say(key, Channel.LINE, who=who))
    yield Letter("unlink_confirm", Channel.LINE, letters.unlink_letter(texts, _ID, who))
    for channel in (Channel.LINE, Channel.SMS):
        yield Letter("responder_noted", channel, letters.kept_letter(texts, channel))
    yield Letter("no_open_alert", Channel.SMS, texts.say("no_open_alert", Channel.SMS))
    yield Letter("phone_moved", Channel.SMS, texts.say("phone_moved", Channel.SMS, code=CODE))
    taken = acknowledged(an_incident(place))
    waiting = [(taken, an_alert(AlertState.ACCEPTED))] * 12
    yield Letter("which_incident", Channel.LINE, letters.which_incident_letter(texts, waiting))
    codes = " ".join([*(str(code) for code in range(100, 112)), "…"])
    yield Letter("which_code", Channel.SMS, texts.say("which_code", Channel.SMS, codes=codes, example=f"{DIGITS} 1"))


def linked_letters(language: str, link: str, place: Place | None = None) -> Iterator[Letter]:
    """What an SMS says where it leads to a page instead of being answered."""
    texts, incident = _texts(language), an_incident(place or longest_place(language))
    yield Letter(
        "alert", Channel.SMS, alert_letter(texts, About(incident, AT), an_alert(), Channel.SMS, DIGITS, None, link)
    )
    for key in ("next", "eta_noted", "departed_yet", "arrived_yet", "yours_now"):
        letter = progress_letter(texts, key, incident, an_alert(AlertState.ACCEPTED), Channel.SMS, None, link)
        yield Letter(key, Channel.SMS, letter)


# --- what the code asks for ------------------------------------------------------------------------------
#: By the function that is called: which argument (from 0, or by name) is the key of a text.
_KEY_ARGUMENT: Mapping[str, int | str] = {
    "say": 0,
    "TellReporter": 0,
    "TellSupervisors": 0,
    "TellResponder": 1,
    "stand_down": 1,
    "_ask_where": 2,
    "_promise_arrival": 1,
    "citizen_reply": 1,
    "progress_letter": 1,
    "progress": 0,
    "follow_up_letter": 1,
    "reporter_letter": 1,
    "ask_follow_up": 1,
    "alarm": 2,
    "Heard": "reply",
}


def asked_for(source: str) -> set[str]:
    """The keys of texts that a module names."""
    keys: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            where = _KEY_ARGUMENT.get(name)
            named = (
                [word.value for word in node.keywords if word.arg in {where, "key", "message"}]
                if where is not None
                else []
            )
            placed = [node.args[where]] if isinstance(where, int) and len(node.args) > where else []
            for argument in [*named, *placed]:
                keys |= _words(argument)
        elif isinstance(node, ast.Assign) and any(
            getattr(target, "id", "") in {"key", "reply"} for target in node.targets
        ):
            keys |= _words(node.value)
    return keys


def _words(node: ast.expr) -> set[str]:
    """The texts that an expression may be; a condition's own words are none of them."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return _words(body) | _words(orelse)
        case ast.BoolOp(values=values):
            return set().union(*map(_words, values))
        case _:
            return set()


def test_every_text_that_the_code_asks_for_is_there_in_both_languages() -> None:
    wanted = set().union(*(asked_for((ROOT / path).read_text(encoding="utf-8")) for path in SPEAKERS))
    assert {"alert", "received", "where", "stood_down", "over", "arrived_yet", "follow_up", "welcome"} <= wanted
    for language in LANGUAGES:
        assert wanted <= set(_data(language)["messages"])


def test_no_text_is_kept_that_nobody_says() -> None:
    named = {
        node.value
        for path in SPEAKERS
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    assert set(_data("th")["messages"]) <= named


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_board_has_a_word_for_every_state_and_every_fact(language: str) -> None:
    states = {*State, *AlertState, *FollowUpState, *Outcome}
    assert set(_data(language)["states"]) == {str(state) for state in states}
    assert set(_data(language)["facts"]) == set(SENTENCES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_every_reason_and_they_are_filled_with_the_same(language: str) -> None:
    reasons = _data(language)["reasons"]
    assert set(reasons) == {str(why) for why in Why}
    for why, text in reasons.items():
        assert placeholders(text) == placeholders(_data("en")["reasons"][why]), why


def test_a_reason_that_another_release_wrote_is_told_by_its_name() -> None:
    assert _texts("en").reason([{"why": "too_tired"}, {"why": "away"}]) == "too tired, away"


def test_the_reading_of_the_code_sees_keys_wherever_they_stand() -> None:
    source = """
texts.say("a", channel)
turn.do(TellReporter("b" if has_place == "no" else "c"))
turn.do(TellResponder(track.holder, "d"))
Heard(draft, reply=None if draft.filed else "e")
key = "f" if reminder else "g"
other("h")
"""
    assert asked_for(source) == set("abcdefg")


def test_every_letter_can_be_composed_and_every_text_is_in_one() -> None:
    for language in LANGUAGES:
        said = {(letter.key, "sms" if letter.channel is Channel.SMS else "line") for letter in all_letters(language)}
        said |= {(letter.key, "sms_link") for letter in linked_letters(language, LINK)}
        there = {
            (key, kind)
            for key, kinds in _data(language)["messages"].items()
            for kind in kinds
            if kind not in {"prompt", "alt"}
        }
        # In LINE whoever has no open alert is a citizen; its text waits for a channel with words.
        assert there - said == {("no_open_alert", "line")}


_GROUPS = (
    "types",
    "type_labels",
    "buttons",
    "wishes",
    "statuses",
    "sms_statuses",
    "roles",
    "contact",
    "grades",
    "sms_verbs",
    "places",
    "spoken_places",
)
_GROUPS += ("voice", "answer_page", "obstacles", "actions", "action_hints", "sources", "attachments")
_GROUPS += ("channels", "place_sources", "delivery_states")


@pytest.mark.parametrize("group", _GROUPS)
def test_every_word_that_the_code_asks_for_is_there(group: str) -> None:
    wanted = {
        "types": set(IncidentType),
        "type_labels": set(IncidentType),
        "buttons": {
            *(set(Verb) - {Verb.ETA}),
            *(*Outcome, *Ask, "minutes", "report", "share_pin", "map", "unlink", "present"),
        },
        "wishes": {
            *(*citizen.DANGER_WORDS, *citizen.VICTIM_WORDS, *citizen.CONTACT_WORDS),
            *citizen.OUTCOME_WORDS,
        },
        "statuses": set(State),
        "sms_statuses": set(State),
        "roles": set(Role),
        "contact": set(Contact),
        "grades": set(Grade),
        "sms_verbs": {verb for verbs in letters.NEXT_VERBS.values() for verb in verbs},
        "places": {"district", "bangkok", "province", "unknown", "subdistrict", "bangkok_subdistrict"},
        "actions": set(operations.ACTIONS),
        "action_hints": set(operations.ACTIONS),
        "sources": set(Source),
        "attachments": set(attachments.KINDS),
        "channels": {*Channel, "link", "api"},
        "place_sources": set(get_args(PlaceSource)),
        "delivery_states": set(DeliveryState),
        "spoken_places": {"district", "bangkok", "province", "unknown"},
        "voice": {
            *(*spoken.DIGITS.values(), "alert", "choices", "unclear", "no_digit"),
            *(*spoken.PROGRESS_DIGITS.values(), *(f"choice_{verb}" for verb in spoken.PROGRESS_DIGITS.values())),
            *("progress", "departed_yet", "arrived_yet", "progress_no_digit"),
            *("minutes", "eta", "details", "no_details"),
            *("already_taken", "already_recorded", "over"),
            *("bridge", "bridge_choice", "bridge_no_digit", "bridge_connecting"),
            *("bridge_again", "bridge_over", "bridge_unanswered"),
        },
        "obstacles": set(Obstacle),
        "answer_page": {
            *(state for state in AlertState if state is not AlertState.UNREACHABLE),
            *("over", "old", "unknown", "too_many", "place", "type", "address", "reported", "eta", "when"),
        },
    }[group]
    for language in LANGUAGES:
        assert set(_data(language)[group]) == wanted


# --- both languages --------------------------------------------------------------------------------------
def test_both_languages_have_the_same_texts() -> None:
    assert dict(leaves(_data("th"))).keys() == dict(leaves(_data("en"))).keys()


def test_both_languages_fill_in_the_same_things() -> None:
    thai, english = dict(leaves(_data("th"))), dict(leaves(_data("en")))
    different = [path for path in thai if placeholders(thai[path]) != placeholders(english[path])]
    assert different == []


# --- SMS -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_alert_is_one_sms_in_every_district(language: str) -> None:
    texts = _texts(language)
    too_long = {}
    for place in places():
        about = About(an_incident(place), AT, pin=(16.82, 100.26), minor=True)
        text = alert_letter(texts, about, an_alert(), Channel.SMS, DIGITS, None).text
        if segments(text) > 1:
            too_long[text] = units(text)
    assert too_long == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_sms_with_a_link_is_one_segment_and_keeps_code_and_link_in_every_district(language: str) -> None:
    for place in places():
        for letter in linked_letters(language, LINK, place):
            text = letter.message.text
            assert segments(text) == 1, text
            assert CODE in text
            assert text.endswith(LINK)


def test_an_sms_with_a_short_link_names_the_district() -> None:
    phitsanulok = next(place for place in places() if place.district and place.district.code == "6501")
    short = f"https://ess.go.th/a/{'x' * links.LENGTH}"
    alert, *_ = linked_letters("th", short, phitsanulok)
    assert alert.message.text == f"ESS {CODE} อ.เมือง จ.พิษณุโลก {short}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_other_sms_is_one_segment_or_says_why_not(language: str) -> None:
    longer = {}
    for letter in all_letters(language):
        if letter.channel is Channel.SMS and letter.key != "alert":
            longest = max(longer.get(letter.key, 0), segments(letter.message.text))
            longer[letter.key] = longest
    assert {key for key, n in longer.items() if n > 1} <= set(TWO_SEGMENTS)
    assert all(n <= 2 for n in longer.values()), longer


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_link_an_sms_that_says_what_comes_next_is_one_segment(language: str) -> None:
    linked = [letter for letter in all_letters(language) if letter.message.text.endswith(LINK)]
    assert {letter.key for letter in linked} == {"next", "eta_noted", "departed_yet", "arrived_yet", "yours_now"}
    # With the two digits of nearly every phone; the three of a busy desk may take a second segment here.
    said = [letter.message.text.removesuffix(f" {LINK}").replace(DIGITS, "99") for letter in linked]
    assert [text for text in said if segments(text) > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sms_is_filled_with_a_person_a_place_on_the_map_or_what_happened(language: str) -> None:
    for key, kinds in _data(language)["messages"].items():
        for kind in kinds.keys() & {"sms", "sms_link"}:
            assert placeholders(kinds[kind]) <= SAID_BY_SMS, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sms_tells_what_happened_or_who_is_coming(language: str) -> None:
    data = _data(language)
    harm = [*data["types"].values(), *data["type_labels"].values(), data["minor"].strip()]
    for letter in all_letters(language):
        if letter.channel is Channel.SMS:
            text = letter.message.text.casefold()
            assert not [words for words in (*harm, longest_name(), "16.82", "maps") if words.casefold() in text]
            assert not letter.message.buttons
            assert letter.message.prompt is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sms_begins_with_a_word_that_twilio_keeps(language: str) -> None:
    texts = [kinds["sms"] for kinds in _data(language)["messages"].values() if "sms" in kinds]
    assert len(texts) > 15
    for text in [*texts, *_data(language)["sms_verbs"].values()]:
        assert text.split()[0].strip(".,:;!?").upper() not in RESERVED


def test_no_answer_that_we_understand_is_a_word_that_twilio_keeps() -> None:
    assert {word.upper() for word in VERBS} & RESERVED == set()


# --- LINE ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_message_is_one_that_line_takes(language: str) -> None:
    problems = [
        f"{letter.key}: {problem}"
        for letter in all_letters(language)
        if letter.channel is Channel.LINE
        for problem in line_problems(letter.message)
    ]
    assert problems == []


def line_problems(message: Message) -> Iterator[str]:
    """What LINE would refuse with 400."""
    if not 1 <= units(message.text) <= 5000:
        yield f"a text has {units(message.text)} of 5000 characters"
    if message.alt is not None:
        if not 1 <= units(message.alt) <= 1500:
            yield f"an alt text has {units(message.alt)} of 1500 characters"
        if any(not line.strip() for line in message.text.replace("\n\n", "\n").splitlines()):
            yield "a bubble's text is empty"
    elif message.prompt is None:
        if len(message.buttons) + len(message.replies) > 13:
            yield f"{len(message.buttons) + len(message.replies)} quick replies, 13 are allowed"
    else:
        if not 1 <= units(message.prompt) <= 160:
            yield f"a card's text has {units(message.prompt)} of 160 characters"
        if not 1 <= len(message.buttons) <= MOST_ON_A_CARD:
            yield f"a card has {len(message.buttons)} buttons, 1 to {MOST_ON_A_CARD} fit a small phone"
        if len(message.replies) > 13:
            yield f"{len(message.replies)} quick replies, 13 are allowed"
    for button in (*message.buttons, *message.replies):
        if not 1 <= units(button.label) <= 20:
            yield f"the label {button.label!r} has {units(button.label)} of 20 characters"
        if button.press is Press.POSTBACK and not 1 <= units(button.data) <= 300:
            yield f"the data of {button.label!r} has {units(button.data)} of 300 characters"
        if button.press is Press.OPEN_LINK and not (button.data.startswith("https://") and len(button.data) <= 1000):
            yield f"the link of {button.label!r} is none that LINE opens"
        if button.press is Press.SHARE_LOCATION and message.prompt is not None and button in message.buttons:
            yield "a pin can be asked for by a quick reply alone"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_message_offers_the_button_that_begins_a_report(language: str) -> None:
    (button,) = citizen_reply(_texts(language), "welcome").buttons
    assert button.data == START


@pytest.mark.parametrize("language", LANGUAGES)
def test_on_the_card_of_a_follow_up_the_victims_wish_comes_before_anything_else(language: str) -> None:
    texts = _texts(language)
    cards = [
        letter
        for letter in all_letters(language)
        if letter.key.startswith(("follow_up", "visit", "bridge"))
        and letter.channel is Channel.LINE
        and letter.message.alt
    ]
    assert {card.key for card in cards} == {
        *("follow_up", "follow_up_reminder", "follow_up_overdue"),
        *("visit", "visit_reminder", "visit_overdue"),
        *("bridge_over", "bridge_unanswered", "bridge_lost"),
    }
    wishes = [texts.word("contact", contact) for contact in Contact]
    for card in cards:
        first, *_ = card.message.text.splitlines()
        assert first.endswith(tuple(wishes)), card.message.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_card_is_a_bubble_that_line_takes_and_that_says_all_of_it(language: str) -> None:
    cards = [letter.message for letter in all_letters(language) if letter.message.alt]
    assert cards
    for card in cards:
        contents = FlexContainer.from_dict(bubble(card.text, card.buttons).to_dict()).to_dict()
        message = {"type": "flex", "altText": card.alt, "contents": contents}
        assert line_rules.problems([message]) == []
        shown = taps.plain_text(message).splitlines()
        assert shown == [*card.text.replace("\n\n", "\n").splitlines(), *(f"[{b.label}]" for b in card.buttons)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_locked_screen_shows_of_a_follow_up_nothing_but_the_code(language: str) -> None:
    texts = _texts(language)
    for letter in all_letters(language):
        if letter.message.alt and letter.key != "alert":
            for telling in (texts.place(longest_place(language)), *_data(language)["contact"].values()):
                assert telling not in letter.message.alt
            assert CODE in letter.message.alt


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_of_an_alert_names_the_sub_district_and_neither_the_locked_screen_nor_an_sms_does(
    language: str,
) -> None:
    near = replace(longest_place(language), subdistricts=(Area("650101", "ตำบลสมมุติ", "Made-up"),))
    name, about = _texts(language).name(near.subdistricts[0]), About(an_incident(near), AT)
    card, sms = (
        alert_letter(_texts(language), about, an_alert(), channel, DIGITS, None)
        for channel in (Channel.LINE, Channel.SMS)
    )
    assert name in card.text
    assert card.alt
    assert name not in card.alt
    assert name not in sms.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_reporters_wrote_is_in_no_sms_and_on_no_locked_screen(language: str) -> None:
    assert set(_data(language)["messages"]["reporter_wrote"]) == {"line", "alt"}
    made_up = ("สมมุติ", "made-up")
    wrote = [each.message for each in all_letters(language) if any(words in each.message.text for words in made_up)]
    assert len(wrote) > 6
    for message in wrote:
        assert message.alt
        assert CODE in message.alt
        assert not [words for words in made_up if words in message.alt]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_service_and_agency_is_recorded_as_it_stands_in_the_file(language: str) -> None:
    for key, group in (("follow_up_need", "needs"), ("follow_up_agency", "agencies")):
        (letter,) = [each for each in all_letters(language) if each.key == key]
        services = [
            pressed and pressed.service for pressed in map(read_button, (b.data for b in letter.message.buttons))
        ]
        assert services == list(_data(language)[group])


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_only_informed_reads_where_it_is_and_has_nothing_to_answer(language: str) -> None:
    """No word of what happened, of whom, or of where more nearly than the alert's own SMS says."""
    texts, place = _texts(language), longest_place(language)
    about = About(an_incident(place), AT, pin=(16.8, 100.3), minor=True, in_danger=True, addresses=("a made-up house",))
    for channel in (Channel.LINE, Channel.SMS):
        message = informed_letter(texts, about, channel)
        assert CODE in message.text
        assert texts.place(place) in message.text
        assert texts.word("types", IncidentType.ASSAULT) not in message.text
        assert "made-up" not in str(message)
        assert {button.press for button in message.buttons} <= {Press.OPEN_LINK}
    assert informed_letter(_texts("th"), about, Channel.SMS).text.startswith("เพื่อทราบ")


# --- the measures themselves -----------------------------------------------------------------------------
def test_what_line_would_refuse_is_told() -> None:
    long = Button("ก" * 21, "x" * 301)
    assert len(list(line_problems(Message("", (long,) * 7, "ก" * 161)))) == 17
    assert len(list(line_problems(Message("x" * 5001, (Button("a", "b"),) * 14)))) == 2
    pin, link = Button("pin", press=Press.SHARE_LOCATION), Button("map", "http://x", Press.OPEN_LINK)
    assert len(list(line_problems(Message("x", (pin, link), "card")))) == 2
    assert list(line_problems(Message("x", (Button("a", "b"),), "card"))) == []


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 158 + "€", 1),
        ("x" * 159 + "€", 2),
        ("ก" * 70, 1),
        ("ก" * 71, 2),
        ("ก" * 134, 2),
        ("ก" * 135, 3),
        ("x" * 70 + "—", 2),
        ("🚨" * 35, 1),
        ("🚨" * 36, 2),
    ],
)
def test_segments_are_counted_as_phones_count_them(text: str, n: int) -> None:
    assert segments(text) == n
