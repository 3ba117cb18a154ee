"""The three steps of a citizen in LINE: what happens, where, and a phone, in whatever order they are sent."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.conversation.citizen import START, Draft, Heard, hear_button, hear_pin, hear_text, read_phone
from ess.domain.report import IncidentType, Location

THE_PIN = (16.8211, 100.2659)
AN_ADDRESS = "บ้านคลอง อ.เมืองพิษณุโลก จ.พิษณุโลก"
A_PHONE = "+66812345678"

NOTHING_SAID = Draft()
ASSAULT_CHOSEN = Draft(type=IncidentType.ASSAULT)
FILED = Draft(type=IncidentType.ASSAULT, filed=True)


def press(draft: Draft, kind: IncidentType = IncidentType.ASSAULT) -> Heard:
    return hear_button(draft, f"type={kind}")


def share(draft: Draft, address: str | None = None) -> Heard:
    return hear_pin(draft, *THE_PIN, address)


# --- the three steps -------------------------------------------------------------------------------------
def test_press_share_and_type_a_phone() -> None:
    begun = hear_button(NOTHING_SAID, START)
    assert begun == Heard(NOTHING_SAID, reply="choose_type")
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


@pytest.mark.parametrize("words", ["แจ้งเหตุด่วน", "แจ้งเหตุ", " ช่วยด้วย ", "HELP", "sos", "Ask for help now"])
def test_who_types_for_help_is_asked_what_happens(words: str) -> None:
    assert hear_text(NOTHING_SAID, words) == Heard(NOTHING_SAID, reply="choose_type")


@pytest.mark.parametrize("data", ["", "action=dance", "type=", "type=fire", "assault"])
def test_any_other_button_shows_how_to_begin(data: str) -> None:
    for draft in (NOTHING_SAID, ASSAULT_CHOSEN, FILED):
        assert hear_button(draft, data) == Heard(draft, reply="welcome"), "and what was said is kept"


def test_who_only_greets_is_shown_how_to_begin() -> None:
    assert hear_text(NOTHING_SAID, "สวัสดีค่ะ").reply == "welcome"


def test_an_empty_message_is_no_address() -> None:
    assert hear_text(ASSAULT_CHOSEN, "  ") == Heard(ASSAULT_CHOSEN, reply="share_pin")


# --- in another order, and again -------------------------------------------------------------------------
def test_a_pin_that_comes_first_is_kept_until_the_type_is_chosen() -> None:
    pinned = share(NOTHING_SAID)
    assert pinned == Heard(Draft(latitude=THE_PIN[0], longitude=THE_PIN[1]), reply="choose_type")
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


def test_the_menu_button_begins_anew() -> None:
    for draft in (ASSAULT_CHOSEN, share(NOTHING_SAID).draft, FILED):
        assert hear_button(draft, START) == Heard(NOTHING_SAID, reply="choose_type")
        assert hear_text(draft, "แจ้งเหตุด่วน") == Heard(NOTHING_SAID, reply="choose_type")


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
buttons = st.sampled_from([START, "type=assault", "type=gathering", "type=fire", ""]).map(lambda data: ("press", data))
pins = st.tuples(st.just("share"), st.none() | st.just(AN_ADDRESS))
texts = st.tuples(
    st.just("type"),
    st.sampled_from(["ช่วยด้วย", AN_ADDRESS, "0812345678", "เขามีมีด", "123456"]) | st.text(min_size=1),
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
            assert heard.reply or heard.note is not None or heard.phone or heard.located, f"{said} is lost"
            assert heard.file is None
            if said[0] == "share":
                assert heard.located == Location(*THE_PIN, address=said[1])
            if said[0] == "type" and heard.draft.filed and not heard.phone:
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
    first = steps[order[0]](draft)
    assert first.file is None
    assert steps[order[1]](first.draft).file == (IncidentType.GATHERING, Location(*THE_PIN))


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
    assert hear_button(Draft(phone="+66812345678", words="x", filed=True), START).draft == NOTHING_SAID
