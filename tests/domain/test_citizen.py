"""The three steps of a citizen in LINE: what happens, where, and a phone, in whatever order they are sent."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.conversation.citizen import (
    START,
    Draft,
    Heard,
    code_in,
    hear_button,
    hear_pin,
    hear_silence,
    hear_text,
    next_question,
    read_phone,
    wish_data,
)
from ess.domain.incident import ENDED, ReporterWord, State
from ess.domain.report import IncidentType, Location

THE_PIN = (16.8211, 100.2659)
AN_ADDRESS = "บ้านคลอง อ.เมืองพิษณุโลก จ.พิษณุโลก"
A_PHONE = "+66812345678"

NOTHING_SAID = Draft()
STARTED = Draft(started=True)
PINNED = Draft(latitude=THE_PIN[0], longitude=THE_PIN[1])
ASSAULT_CHOSEN = Draft(type=IncidentType.ASSAULT)
FILED = Draft(type=IncidentType.ASSAULT, filed=True)


def press(draft: Draft, kind: IncidentType = IncidentType.ASSAULT) -> Heard:
    return hear_button(draft, f"type={kind}")


def share(draft: Draft, address: str | None = None) -> Heard:
    return hear_pin(draft, *THE_PIN, address)


# --- the three steps -------------------------------------------------------------------------------------
def test_press_share_and_type_a_phone() -> None:
    begun = hear_button(NOTHING_SAID, START)
    assert begun == Heard(STARTED, reply="choose_type")
    chosen = press(begun.draft)
    assert chosen == Heard(ASSAULT_CHOSEN, reply="share_pin")
    filed = share(chosen.draft, AN_ADDRESS)
    assert filed == Heard(FILED, file=(IncidentType.ASSAULT, Location(*THE_PIN, address=AN_ADDRESS)))
    assert hear_text(filed.draft, "081 234 5678") == Heard(FILED, reply="phone_noted", phone=A_PHONE)


@pytest.mark.parametrize("kind", IncidentType)
def test_each_of_the_five_types_can_be_chosen(kind: IncidentType) -> None:
    heard = press(NOTHING_SAID, kind)
    assert heard.draft.type is kind
    assert share(heard.draft).file == (kind, Location(*THE_PIN))


def test_the_incident_begins_with_the_pin_and_no_phone_is_waited_for() -> None:
    assert share(ASSAULT_CHOSEN).file is not None


@pytest.mark.parametrize(
    "words", ["แจ้งเหตุด่วน", "แจ้งเหตุ", " ช่วยด้วย ", "HELP", "sos", "Ask for help now", "ช่วยด้วยค่ะ", "ช่วยด้วยๆ!"]
)
def test_who_types_for_help_is_asked_what_happens(words: str) -> None:
    assert hear_text(NOTHING_SAID, words) == Heard(STARTED, reply="choose_type")


@pytest.mark.parametrize("data", ["", "action=dance", "type=", "type=fire", "assault"])
def test_any_other_button_shows_how_to_begin(data: str) -> None:
    for draft, reply in ((NOTHING_SAID, "welcome"), (STARTED, "choose_type"), (ASSAULT_CHOSEN, "share_pin")):
        assert hear_button(draft, data) == Heard(draft, reply=reply), "and what was said is kept"
    assert hear_button(FILED, data) == Heard(FILED, reply="welcome")


def test_who_only_greets_is_shown_how_to_begin() -> None:
    assert hear_text(NOTHING_SAID, "สวัสดีค่ะ").reply == "welcome"


def test_an_empty_message_is_no_address() -> None:
    assert hear_text(ASSAULT_CHOSEN, "  ") == Heard(ASSAULT_CHOSEN, reply="share_pin")


# --- in another order, and again -------------------------------------------------------------------------
def test_a_pin_that_comes_first_is_kept_until_the_type_is_chosen() -> None:
    pinned = share(NOTHING_SAID)
    assert pinned == Heard(PINNED, reply="choose_type")
    assert press(pinned.draft) == Heard(FILED, file=(IncidentType.ASSAULT, Location(*THE_PIN)))


def test_a_type_without_the_menu_button_is_enough() -> None:
    assert press(NOTHING_SAID).draft.type is IncidentType.ASSAULT


def test_a_typed_address_serves_instead_of_a_pin() -> None:
    assert hear_text(ASSAULT_CHOSEN, f" {AN_ADDRESS} ") == Heard(
        FILED, file=(IncidentType.ASSAULT, Location(address=AN_ADDRESS))
    )


def test_before_the_pin_another_type_takes_the_place_of_the_first() -> None:
    heard = press(ASSAULT_CHOSEN, IncidentType.CONFINEMENT)
    assert heard == Heard(Draft(type=IncidentType.CONFINEMENT), reply="share_pin")


def test_of_two_pins_before_the_type_the_later_counts() -> None:
    first = hear_pin(NOTHING_SAID, 13.7, 100.5, None)
    assert press(share(first.draft).draft).file == (IncidentType.ASSAULT, Location(*THE_PIN))


@pytest.mark.parametrize("begin", [lambda draft: hear_button(draft, START), lambda draft: hear_text(draft, "ช่วยด้วย")])
def test_the_menu_button_begins_anew_and_keeps_a_pin_that_nobody_was_sent_to(begin: Callable[[Draft], Heard]) -> None:
    for draft in (ASSAULT_CHOSEN, FILED):
        assert begin(draft) == Heard(STARTED, reply="choose_type")
    begun = begin(PINNED)
    assert begun == Heard(replace(PINNED, started=True), reply="choose_type")
    assert press(begun.draft).file == (IncidentType.ASSAULT, Location(*THE_PIN))


def test_one_report_is_filed_once_however_often_the_pin_is_shared() -> None:
    again = share(FILED, AN_ADDRESS)
    assert again == Heard(FILED, located=Location(*THE_PIN, address=AN_ADDRESS))


# --- after the report ------------------------------------------------------------------------------------
@pytest.mark.parametrize("words", ["เขามีมีด", "อยู่ซอยหลังวัด", "ประตูหลัง ชั้น 2", AN_ADDRESS])
def test_words_after_the_report_are_kept_and_may_say_where(words: str) -> None:
    assert hear_text(FILED, words) == Heard(FILED, note=words, located=Location(address=words))


@pytest.mark.parametrize("words", ["08x xxx 1234", "โทร 081-23-45", "123456"])
def test_a_phone_that_cannot_be_read_is_kept_and_asked_for_again(words: str) -> None:
    heard = hear_text(FILED, words)
    assert (heard.phone, heard.note, heard.reply) == (None, words, "phone_unclear")


def test_a_house_number_is_not_taken_for_a_phone_that_failed() -> None:
    assert hear_text(FILED, "บ้านเลขที่ 99/12").reply is None


@pytest.mark.parametrize(
    "typed",
    [
        "0812345678",
        "081 234 5678",
        "081-234-5678",
        "081-2345678",
        "08-1234-5678",
        "081.234.5678",
        "(081) 234-5678",
        "0 8 1 2 3 4 5 6 7 8",
        "๐๘๑๒๓๔๕๖๗๘",
        "๐๘๑ ๒๓๔ ๕๖๗๘",
        "０８１２３４５６７８",
        "+66 81 234 5678",
        "+66812345678",
        "+66 (0)81 234 5678",
        "66812345678",
        "โทร 0812345678",
        "โทร.081-234-5678 ค่ะ",
        "เบอร์0812345678ครับ",
        "tel:0812345678",
    ],
)
def test_a_phone_is_understood_however_it_is_typed(typed: str) -> None:
    assert read_phone(typed) == A_PHONE
    assert hear_text(FILED, typed).phone == A_PHONE


def test_a_landline_is_a_phone_too() -> None:
    assert read_phone("055-123-456") == "+6655123456"
    assert read_phone("02 123 4567") == "+6621234567"


@pytest.mark.parametrize("text", ["", "191", "1300", "65000", "20/04/2566", "16.8211, 100.2659", "ไม่มีเบอร์", "081 234"])
def test_what_nobody_could_call_is_no_phone(text: str) -> None:
    assert read_phone(text) is None


@given(st.text() | st.text(alphabet="0123456789๐๑๒+-() .xโทร"))
def test_no_text_is_too_strange_to_look_for_a_phone_in(text: str) -> None:
    phone = read_phone(text)
    assert phone is None or re.fullmatch(r"\+\d{5,17}", phone)


# --- whatever is said, in whatever order -----------------------------------------------------------------
#: What is typed, or sent by the menu, and is no address and no note.
CONTROLS = ("สถานะ", "ปลอดภัยแล้ว", "ยกเลิก", "ยังไม่ปลอดภัย")

buttons = st.sampled_from([START, "type=assault", "type=gathering", "type=fire", ""]).map(lambda data: ("press", data))
pins = st.tuples(st.just("share"), st.none() | st.just(AN_ADDRESS))
texts = st.tuples(
    st.just("type"),
    st.sampled_from(["ช่วยด้วย", AN_ADDRESS, "0812345678", "เขามีมีด", "123456", *CONTROLS]) | st.text(min_size=1),
)
chats = st.lists(buttons | pins | texts, max_size=12)


def hear(draft: Draft, said: tuple[str, str | None]) -> Heard:
    match said:
        case ("press", str(data)):
            return hear_button(draft, data)
        case ("type", str(words)):
            return hear_text(draft, words)
        case (_, address):
            return share(draft, address)


@given(chats)
def test_nothing_that_is_said_after_the_report_is_lost(chat: list[tuple[str, str | None]]) -> None:
    draft = NOTHING_SAID
    for said in chat:
        heard = hear(draft, said)
        if draft.filed:
            asks_or_tells = heard.reply or heard.asks_status
            assert asks_or_tells or heard.note is not None or heard.phone or heard.located, f"{said} is lost"
            assert heard.file is None
            if said[0] == "share":
                assert heard.located == Location(*THE_PIN, address=said[1])
            if said[0] == "type" and heard.draft.filed and not heard.phone and said[1] not in CONTROLS:
                assert (heard.note or "") == str(said[1]).strip()
        else:
            assert heard.reply or heard.file, f"{said} is not answered"
            assert (heard.note, heard.phone, heard.located) == (None, None, None), "there is no incident to add it to"
        if heard.file:
            kind, location = heard.file
            assert heard.draft == Draft(type=kind, phone=heard.draft.phone, words=heard.draft.words, filed=True)
            assert not location.is_empty
        draft = Draft.from_json(json.loads(json.dumps(heard.draft.to_json())))
        assert draft == heard.draft


@given(chats, st.permutations(["the type", "the pin"]))
def test_whatever_was_said_before_the_menu_button_a_type_and_a_pin_make_an_incident(
    chat: list[tuple[str, str | None]], order: list[str]
) -> None:
    draft = NOTHING_SAID
    for said in chat:
        draft = hear(draft, said).draft
    draft = hear_button(draft, START).draft
    steps = {"the type": lambda draft: press(draft, IncidentType.GATHERING), "the pin": share}
    heard = [steps[order[0]](draft)]
    heard.append(steps[order[1]](heard[0].draft))
    kind, location = next(each.file for each in heard if each.file)  # at once, where a pin was shared before
    assert kind is IncidentType.GATHERING
    assert (location.latitude, location.longitude) == THE_PIN


def test_half_a_pin_is_none() -> None:
    for draft in (Draft(latitude=16.8), Draft(longitude=100.2)):
        assert not draft.has_pin
        assert press(draft).reply == "share_pin"


def test_an_empty_draft_of_an_older_release_is_read() -> None:
    assert Draft.from_json({}) == NOTHING_SAID


# --- what comes too early is kept ------------------------------------------------------------------------
def test_a_phone_before_the_pin_goes_with_the_report() -> None:
    heard = hear_text(ASSAULT_CHOSEN, "081 234 5678")
    assert heard == Heard(Draft(type=IncidentType.ASSAULT, phone="+66812345678"), reply="share_pin")
    filed = share(heard.draft)
    assert filed.file == (IncidentType.ASSAULT, Location(*THE_PIN))
    assert filed.draft.phone == "+66812345678"


def test_words_before_the_type_go_with_the_report() -> None:
    first = hear_text(NOTHING_SAID, "พี่ชายตีหนู")
    second = hear_text(first.draft, "อยู่ในห้อง")
    assert (first.reply, second.reply) == ("welcome", "welcome")
    assert hear_text(STARTED, "พี่ชายตีหนู").reply == "choose_type", "the question that waits for its answer"
    begun = hear_button(second.draft, START).draft
    assert share(press(begun).draft).draft.words == "พี่ชายตีหนู\nอยู่ในห้อง"


def test_words_beside_a_phone_are_kept() -> None:
    heard = hear_text(FILED, "อยู่ซอยหลังวัด โทร 0812345678")
    assert heard.phone == "+66812345678"
    assert heard.note == "อยู่ซอยหลังวัด โทร 0812345678"


@pytest.mark.parametrize("words", ["วันที่ 20-04-2566", "1650100000000", "16.821100 100.265900", "081234567"])
def test_what_is_no_phone_is_kept_as_words(words: str) -> None:
    heard = hear_text(FILED, words)
    assert heard.phone is None
    assert heard.note == words


def test_a_second_report_forgets_the_phone_of_the_first() -> None:
    assert hear_button(Draft(phone="+66812345678", words="x", filed=True), START).draft == STARTED


# --- a pin is never thrown away --------------------------------------------------------------------------
silences = st.just(("stays silent", None))


@given(st.lists(buttons | pins | texts | silences, max_size=12))
def test_a_pin_that_was_shared_and_not_filed_is_always_waited_for(chat: list[tuple[str, str | None]]) -> None:
    draft, is_due, shared = NOTHING_SAID, False, False
    for said in chat:
        if said[0] != "stays silent":
            heard = hear(draft, said)
            is_due = is_due or heard.draft.is_begun
        elif is_due:
            heard = hear_silence(draft, IncidentType.ASSAULT)
            is_due = heard.reply is not None
        else:
            continue
        shared = (shared or said[0] == "share") and heard.file is None and not heard.draft.filed
        draft = heard.draft
        assert draft.has_pin or not shared, f"the pin is lost by {said}"
        assert is_due or not draft.has_pin, f"nothing is promised after {said}"


def test_who_was_asked_once_is_asked_again_when_they_begin_again() -> None:
    left = hear_silence(hear_silence(ASSAULT_CHOSEN, IncidentType.ASSAULT).draft, IncidentType.ASSAULT)
    assert left == Heard(ASSAULT_CHOSEN), "there is no place to send anybody to"
    pinned = share(hear_button(left.draft, START).draft).draft
    asked = hear_silence(pinned, IncidentType.ASSAULT)
    assert asked.reply == "still_there_type"
    assert hear_silence(asked.draft, IncidentType.ASSAULT).file == (IncidentType.ASSAULT, Location(*THE_PIN))


@pytest.mark.parametrize(
    ("draft", "question"),
    [(NOTHING_SAID, "welcome"), (STARTED, "choose_type"), (PINNED, "choose_type"), (ASSAULT_CHOSEN, "share_pin")],
)
def test_whatever_comes_between_the_steps_the_missing_one_is_asked_for(draft: Draft, question: str) -> None:
    assert next_question(draft, None, "kept") == question
    if draft.type is None:
        assert hear_text(draft, "เขามีมีด").reply == question


# --- late, and beside a report that runs -----------------------------------------------------------------
#: What the chat sends in this order, at these instants; the menu is pressed twice on a bad connection.
STEPS = [
    (1, ("press", START)),
    (2, ("press", "type=assault")),
    (3, ("share", None)),
    (4, ("type", "0812345678")),
]


class Chat:
    """A chat as the shell keeps it, with what became of the incidents that it began."""

    def __init__(self, draft: Draft = NOTHING_SAID, state: State | None = None) -> None:
        self.draft = draft
        self.state = state
        self.filed = 0
        self.phones: set[str | None] = set()

    def hear(self, at: int, said: tuple[str, str | None]) -> Heard:
        late, before = at < self.draft.heard_at, self.draft
        match said:
            case ("press", str(data)):
                heard = hear_button(before, data, self.state, late=late)
            case ("type", str(words)):
                heard = hear_text(before, words, self.state, late=late)
            case _:
                heard = hear_pin(before, *THE_PIN, None, self.state)
        self.draft = replace(heard.draft, heard_at=max(at, before.heard_at))
        if heard.file:
            self.filed += 1
            self.state = State.RECEIVED
            self.phones.add(heard.draft.phone)
        if self.filed:
            self.phones.add(heard.phone)
        return heard


@given(st.permutations([*STEPS, STEPS[0], STEPS[1]]), st.sampled_from([None, *ENDED]))
def test_one_report_in_any_order_and_with_repetitions_is_one_incident_with_its_phone(
    steps: list[tuple[int, tuple[str, str | None]]], before: State | None
) -> None:
    chat = Chat(replace(FILED if before else NOTHING_SAID, heard_at=0), before)
    if before and steps[0][1][0] == "type":
        return  # what is typed first, after an incident that is over, is about that one
    for at, said in steps:
        chat.hear(at, said)
    assert chat.filed == 1
    assert not chat.draft.is_begun, "nothing is asked any more"
    if before is None:
        assert A_PHONE in chat.phones


@given(st.sampled_from([(5, ("press", START)), (5, ("press", "type=assault"))]), st.booleans())
def test_a_menu_that_is_pressed_again_takes_nothing_from_the_incident_that_runs(
    again: tuple[int, tuple[str, str | None]], is_late: bool
) -> None:
    chat = Chat()
    for at, said in STEPS[:3]:
        chat.hear(at, said)
    heard = chat.hear(0 if is_late else again[0], again[1])
    assert heard == Heard(heard.draft) if is_late else heard.reply
    assert chat.hear(6, ("type", "0812345678")).phone == A_PHONE
    assert chat.hear(7, ("type", "สถานะ")).asks_status
    assert chat.hear(8, ("press", "say=in_danger")).in_danger
    assert chat.hear(9, ("press", "say=any")).contact == "any"
    safe = chat.hear(10, ("type", "ปลอดภัยแล้วค่ะ"))
    assert (safe.word, safe.reply) == (ReporterWord.SAFE, "safe_noted")
    assert chat.filed == 1


def test_words_belong_to_the_incident_that_runs_until_another_report_has_a_type_or_a_pin() -> None:
    again = hear_button(FILED, START, State.ALERTING).draft
    heard = hear_text(again, "เขามีมีด", State.ALERTING)
    assert (heard.note, heard.draft.words) == ("เขามีมีด", None)
    after = hear_text(again, "เขากลับมาแล้ว", State.RESOLVED)
    assert (after.note, after.draft.words) == ("เขากลับมาแล้ว", "เขากลับมาแล้ว"), "they go with the other report, too"
    assert next_question(heard.draft, State.ALERTING, "noted") == "choose_type"
    another = press(again, IncidentType.GATHERING).draft
    assert hear_text(another, AN_ADDRESS, State.ALERTING).file == (
        IncidentType.GATHERING,
        Location(address=AN_ADDRESS),
    )


@pytest.mark.parametrize("state", [State.RESOLVED, *ENDED])
def test_a_pin_after_it_is_over_begins_another_report(state: State) -> None:
    assert hear_pin(FILED, *THE_PIN, None, state) == Heard(PINNED, reply="choose_type")
    assert hear_pin(FILED, *THE_PIN, None, State.ON_SCENE).located == Location(*THE_PIN)


def test_who_writes_after_it_is_over_is_shown_how_to_begin() -> None:
    heard = hear_text(FILED, "เขากลับมาอีกแล้ว", State.CLOSED)
    assert heard.note == "เขากลับมาอีกแล้ว"
    assert next_question(heard.draft, State.CLOSED, "noted") == "welcome"
    assert next_question(heard.draft, State.ALERTING, "noted") is None


# --- what words ask for ----------------------------------------------------------------------------------
ENDINGS = ("", "ค่ะ", "ครับ", " นะคะ", "\u200b", "!!", " .")


@pytest.mark.parametrize("ending", ENDINGS)
def test_control_words_are_understood_with_whatever_courtesy(ending: str) -> None:
    assert hear_text(FILED, f" สถานะ{ending}").asks_status
    for words, word, reply in (
        ("ปลอดภัยแล้ว", ReporterWord.SAFE, "safe_noted"),
        ("ยกเลิก", ReporterWord.CANCELS, "cancel_noted"),
        ("ยังไม่ปลอดภัย", ReporterWord.UNSAFE, "unsafe_noted"),
    ):
        assert hear_text(FILED, words + ending) == Heard(replace(FILED, said=word), word=word, reply=reply)


@pytest.mark.parametrize("words", [word + ending for word in CONTROLS for ending in ENDINGS])
def test_no_control_word_is_an_address(words: str) -> None:
    for draft in (NOTHING_SAID, STARTED, ASSAULT_CHOSEN, PINNED):
        heard = hear_text(draft, words)
        assert heard.file is None
        assert heard.reply
        assert heard.draft.has_pin == draft.has_pin


def test_who_cancels_before_anybody_knows_where_is_left_alone() -> None:
    assert hear_text(ASSAULT_CHOSEN, "ยกเลิกค่ะ") == Heard(NOTHING_SAID, reply="welcome")


def test_who_cancels_after_the_pin_is_looked_after_and_the_officers_read_it() -> None:
    heard = hear_text(PINNED, "ยกเลิก")
    assert heard == Heard(replace(PINNED, words="ยกเลิก"), reply="choose_type")


def test_that_it_is_over_is_passed_on_once_and_that_it_is_not_every_time() -> None:
    safe = hear_text(FILED, "ปลอดภัยแล้ว")
    assert hear_text(safe.draft, "ปลอดภัยแล้ว").word is None
    unsafe = hear_text(safe.draft, "ยังไม่ปลอดภัย")
    assert hear_button(unsafe.draft, "say=unsafe").word is ReporterWord.UNSAFE


@pytest.mark.parametrize("state", ENDED)
def test_after_the_end_nothing_is_confirmed_that_does_not_happen(state: State) -> None:
    assert hear_text(FILED, "ปลอดภัยแล้ว", state).reply == "well_noted"
    begun_again = hear_button(FILED, START, state).draft
    for draft in (FILED, begun_again):
        assert hear_text(draft, "ยังไม่ปลอดภัยค่ะ", state).word is ReporterWord.UNSAFE
        assert hear_button(draft, wish_data("unsafe", "BCD234"), state).word is ReporterWord.UNSAFE
    in_danger = replace(FILED, said=ReporterWord.IN_DANGER)
    assert hear_button(in_danger, "say=in_danger", State.ALERTING).word is None, "they know"
    assert hear_button(in_danger, "say=in_danger", state).word is ReporterWord.IN_DANGER


def test_a_quick_reply_knows_which_incident_it_is_about() -> None:
    assert code_in(wish_data("unsafe", "BCD234")) == "BCD234"
    assert code_in("say=unsafe") is None, "of a message that the release before sent"
    assert code_in("type=assault&code=BCD234") is None


def test_a_victim_who_is_a_child_can_be_told_of_by_one_tap() -> None:
    assert hear_button(FILED, wish_data("minor", "BCD234")) == Heard(FILED, reply="minor_noted", is_minor=True)
