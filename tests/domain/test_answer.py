"""What a responder says back: two digits and a verb by SMS, typed in a hurry, or a button in LINE."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import an_id

from ess.codes import LETTERS
from ess.conversation.answer import VERBS, Answer, Pressed, Verb, button_data, next_code, read_button, read_sms
from ess.domain.follow_up import Outcome

#: The most that LINE carries in a postback.
LINE_POSTBACK_LIMIT = 300
#: Twilio answers these itself, and stops sending to whoever writes them.
KEPT_BY_TWILIO = ("stop", "end", "quit", "cancel", "unsubscribe", "revoke", "optout", "stopall")


# --- a code and a verb -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("12 1", Verb.ACCEPT),
        ("12 รับ", Verb.ACCEPT),
        ("12 ok", Verb.ACCEPT),
        ("12 2", Verb.DECLINE),
        ("12 ไม่รับ", Verb.DECLINE),
        ("12 3", Verb.DEPART),
        ("12 ไป", Verb.DEPART),
        ("12 4", Verb.ARRIVE),
        ("12 ถึง", Verb.ARRIVE),
        ("12 5", Verb.BACKUP),
        ("12 ขอกำลังเสริม", Verb.BACKUP),
        ("12 9", Verb.RESOLVE),
        ("12 ปิด", Verb.RESOLVE),
    ],
)
def test_a_code_and_a_verb_answer_an_alert(text: str, verb: Verb) -> None:
    assert read_sms(text) == Answer("12", verb)


@pytest.mark.parametrize(
    "text",
    [
        "๑๒ ๑",
        "๑๒ รับ",
        "１２ １",
        "１２　１",
        "12 ｏｋ",
        "12 OK",
        "12 Ok",
        "121",
        "12รับ",
        "  12   1  ",
        "12\n1",
        "12\u00a01",
        "12.1",
        "12, 1",
        "12-1",
        "12: รับ",
        "12#1",
        "12 รับครับ",
        "12 รับ ครับ",
        "12 รับค่ะ",
        "12 รับคะ",
        "12 รับคับ",
        "12 รับครับผม",
        "12 รับนะคะ",
        "12 1 ครับ",
        "12 OK ค่ะ",
        "๑๒รับทราบครับ",
    ],
)
def test_however_a_hurried_hand_types_it(text: str) -> None:
    assert read_sms(text) == Answer("12", Verb.ACCEPT)


def test_going_is_not_refusing_to_go() -> None:
    assert read_sms("12 ไป") == Answer("12", Verb.DEPART)
    assert read_sms("12 ไปไม่ได้ครับ") == Answer("12", Verb.DECLINE)
    assert read_sms("12 ไม่รับครับ") == Answer("12", Verb.DECLINE)


@pytest.mark.parametrize(("word", "verb"), VERBS.items(), ids=list(VERBS))
def test_every_word_works_with_a_code_and_without(word: str, verb: Verb) -> None:
    assert read_sms(f"47 {word}") == Answer("47", verb)
    assert read_sms(word) == Answer(None, verb)
    assert read_sms(f"{word}ครับ") == Answer(None, verb)


def test_every_verb_has_a_digit_of_its_own() -> None:
    digits = {word: verb for word, verb in VERBS.items() if word.isdigit()}
    assert digits == {
        "1": Verb.ACCEPT,
        "2": Verb.DECLINE,
        "3": Verb.DEPART,
        "4": Verb.ARRIVE,
        "5": Verb.BACKUP,
        "9": Verb.RESOLVE,
    }


@pytest.mark.parametrize("word", KEPT_BY_TWILIO)
def test_what_twilio_keeps_for_itself_is_no_word_of_ours(word: str) -> None:
    assert word not in VERBS
    assert read_sms(word) == Answer(None, None)


# --- when they will be there ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "verb", "minutes"),
    [
        ("12 1 15", Verb.ACCEPT, 15),
        ("12 1 5", Verb.ACCEPT, 5),
        ("๑๒ ๑ ๑๕", Verb.ACCEPT, 15),
        ("12 รับ 15", Verb.ACCEPT, 15),
        ("12 รับครับ 15 นาที", Verb.ACCEPT, 15),
        ("12 รับ 15 นาทีครับ", Verb.ACCEPT, 15),
        ("12 รับ อีก 20 นาที", Verb.ACCEPT, 20),
        ("12 ok 10 min", Verb.ACCEPT, 10),
        ("12 3 15", Verb.DEPART, 15),
        ("12 ไป ครึ่งชั่วโมง", Verb.DEPART, 30),
        ("12 15 นาที", Verb.ETA, 15),
        ("12 ๑๕นาที", Verb.ETA, 15),
        ("12 สิบห้านาทีค่ะ", Verb.ETA, 15),
        ("12 อีกประมาณ 15 นาที", Verb.ETA, 15),
        ("12 ถึงใน 15 นาที", Verb.ETA, 15),
        ("12 1 ชั่วโมง", Verb.ETA, 60),
        ("12 ครึ่งชั่วโมง", Verb.ETA, 30),
    ],
)
def test_minutes_after_the_verb_or_alone_say_when_they_will_be_there(text: str, verb: Verb, minutes: int) -> None:
    assert read_sms(text) == Answer("12", verb, timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("text", "verb", "minutes"),
    [
        ("15 นาที", Verb.ETA, 15),
        ("๑๕ นาทีครับ", Verb.ETA, 15),
        ("1 15", Verb.ACCEPT, 15),
        ("รับ 15", Verb.ACCEPT, 15),
        ("3 20", Verb.DEPART, 20),
        ("going 20 min", Verb.DEPART, 20),
    ],
)
def test_without_a_code_the_only_open_alert_is_meant(text: str, verb: Verb, minutes: int) -> None:
    assert read_sms(text) == Answer(None, verb, timedelta(minutes=minutes))


@pytest.mark.parametrize("text", ["BCD234 1", "bcd234 รับครับ", "BCD234: ok", "ＢＣＤ２３４ ๑"])
def test_an_incidents_own_code_does_as_well(text: str) -> None:
    assert read_sms(text) == Answer("BCD234", Verb.ACCEPT)
    assert read_sms("BCD234 15 นาที") == Answer("BCD234", Verb.ETA, timedelta(minutes=15))
    assert read_sms("BCD234") == Answer("BCD234", None)


@given(st.text(alphabet="0123456789 รับถึงนาที"))
def test_nobody_is_ever_expected_in_the_past_or_after_a_day(text: str) -> None:
    eta = read_sms(text).eta
    assert eta is None or timedelta() < eta <= timedelta(hours=24)


# --- what is not an answer -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "ครับ",
        "ค่ะ",
        "ถึงไหนแล้ว",
        "รับไม่ทันครับ",
        "no problem",
        "6",
        "1 2",
        "4 15",
        "2 15",
        "ไม่ไป",
        "รถเสีย กำลังตาม",
    ],
)
def test_other_words_are_a_note_and_change_nothing(text: str) -> None:
    assert read_sms(text) == Answer(None, None)


@pytest.mark.parametrize(
    "text",
    [
        "12",
        "12 ",
        "๑๒ครับ",
        "12 -",
        "12 6",
        "12 รับไม่ได้",
        "12 ทำไม",
        "12 11",
        "12 2 15",
        "12 4 15",
        "12 15",
        "12115",
        "12 คน",
    ],
)
def test_a_code_without_a_word_that_is_known_changes_nothing(text: str) -> None:
    assert read_sms(text) == Answer("12", None)


@given(st.text())
def test_no_sms_is_too_strange_to_be_read(text: str) -> None:
    answer = read_sms(text)
    code = answer.code
    assert code is None or (len(code) == 2 and code.isascii() and code.isdigit()) or set(code) <= set(LETTERS)


decorations = st.sampled_from(["", " ", "  ", "\t", "\n", "\u00a0", "\u3000"])
politeness = st.sampled_from(["", "ครับ", "ค่ะ", "คะ", " ครับ", "นะคะ"])
scripts = st.sampled_from(["0123456789", "๐๑๒๓๔๕๖๗๘๙", "０１２３４５６７８９"])


@given(
    st.integers(10, 99), st.sampled_from(sorted(VERBS)), scripts, decorations, decorations, politeness, st.booleans()
)
def test_digits_spaces_case_and_politeness_do_not_matter(
    code: int, word: str, script: str, space: str, around: str, polite: str, shout: bool
) -> None:
    typed = f"{around}{code}{space}{word.upper() if shout else word}{polite}{around}"
    typed = typed.translate(str.maketrans("0123456789", script))
    assert read_sms(typed) == Answer(str(code), VERBS[word])


# --- codes -----------------------------------------------------------------------------------------------
EVERY_CODE = [str(number) for number in range(10, 1000)]
some_codes = st.lists(st.sampled_from(EVERY_CODE), unique=True)


def test_the_first_alert_gets_the_lowest_code_and_the_next_the_next() -> None:
    assert next_code([], []) == "10"
    assert next_code(["10"], ["10"]) == "11"
    assert next_code(["10", "12"], []) == "11"


def test_a_code_of_the_last_day_is_not_used_again_though_its_alert_is_over() -> None:
    assert next_code(EVERY_CODE[:89], []) == "99"


def test_a_desk_that_was_asked_ninety_times_within_a_day_gets_three_digits() -> None:
    assert next_code(EVERY_CODE[:90], []) == "100"
    assert read_sms("100 1") == read_sms("๑๐๐ รับครับ") == Answer("100", Verb.ACCEPT)
    assert read_sms("100 1 15") == Answer("100", Verb.ACCEPT, timedelta(minutes=15))


def test_two_digits_and_a_verb_without_a_space_are_no_code_of_three() -> None:
    assert read_sms("121") == Answer("12", Verb.ACCEPT)
    assert read_sms("121 15") == Answer("12", Verb.ACCEPT, timedelta(minutes=15))
    assert read_sms("120 นาที") == Answer(None, Verb.ETA, timedelta(hours=2))


def test_on_a_day_that_used_them_all_up_the_one_used_longest_ago_comes_again() -> None:
    used = EVERY_CODE[40:] + EVERY_CODE[:40]
    assert next_code(used, []) == "50"
    assert next_code(used, ["50", "51"]) == "52"


def test_when_all_are_open_there_is_none() -> None:
    assert next_code(EVERY_CODE, EVERY_CODE) is None
    assert next_code(EVERY_CODE, EVERY_CODE[1:]) == "10"


@given(some_codes, st.data())
def test_no_code_stands_for_two_open_alerts(used: list[str], data: st.DataObject) -> None:
    open_now = data.draw(st.sets(st.sampled_from(used))) if used else set()
    code = next_code(used, open_now)
    assert code is not None or len(open_now) == len(EVERY_CODE)
    assert code not in open_now
    assert code not in used or len(used) == len(EVERY_CODE), "there was a fresh one"
    assert code is None or read_sms(f"{code} 1") == Answer(code, Verb.ACCEPT)


# --- buttons ---------------------------------------------------------------------------------------------
presses = (
    st.builds(Pressed, st.just(Verb.ETA), alert_id=st.uuids(), eta_min=st.integers(0, 1440))
    | st.builds(Pressed, st.sampled_from(sorted(set(Verb) - {Verb.ETA})), alert_id=st.uuids())
    | st.builds(
        Pressed,
        st.sampled_from(Outcome),
        follow_up_id=st.uuids(),
        at=st.none() | st.integers(0, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
        service=st.none() | st.sampled_from(["hospital", "legal_aid"]),
        attempt=st.none() | st.integers(1, 99),
    )
)


@given(presses)
def test_a_button_says_what_was_pressed_and_for_which_alert_or_call(pressed: Pressed) -> None:
    data = button_data(pressed)
    assert read_button(data) == pressed
    assert len(data) <= LINE_POSTBACK_LIMIT


def test_a_service_is_a_word_of_ours_and_nothing_else() -> None:
    data = button_data(Pressed(Outcome.REFERRED, follow_up_id=an_id("a call")))
    for words in ("0810000000", "บ้านเลขที่+5", "a" * 31):
        pressed = read_button(f"{data}&service={words}")
        assert pressed is not None
        assert pressed.service is None


def test_a_button_may_gain_a_field_and_is_still_understood() -> None:
    pressed = Pressed(Verb.ACCEPT, alert_id=an_id("an alert"))
    assert read_button(button_data(pressed) + "&from=a+newer+release") == pressed


@pytest.mark.parametrize(
    "data",
    [
        "",
        "action=report",
        "type=assault",
        "do=accept",
        f"alert={UUID(int=1)}",
        "do=accept&alert=not-an-id",
        f"do=dance&alert={UUID(int=1)}",
        f"do=eta&alert={UUID(int=1)}",
        f"do=eta&alert={UUID(int=1)}&eta=soon",
        f"do=eta&alert={UUID(int=1)}&eta=-5",
        f"do=reached&alert={UUID(int=1)}",
        f"do=accept&follow_up={UUID(int=1)}",
    ],
)
def test_data_that_is_not_ours_is_nothing(data: str) -> None:
    assert read_button(data) is None


strange = st.text() | st.lists(
    st.sampled_from(["do=", "accept", "reached", "&alert=", "&follow_up=", str(UUID(int=1)), "%", "%ff", "=", ";", "&"])
).map("".join)


@given(strange)
def test_no_button_is_too_strange_to_be_read(data: str) -> None:
    pressed = read_button(data)
    assert pressed is None or read_button(button_data(pressed)) == pressed
