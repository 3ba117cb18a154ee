"""Which channel follows which after how long, and what a call says."""

from datetime import timedelta
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import HERE
from ess.conversation.answer import Verb
from ess.conversation.spoken import Phrase, Speech, Voice, recorded, statement, twiml
from ess.conversation.texts import Texts
from ess.domain.duty import Channel, read_turns, turns_after
from ess.outbox import Turn
from ess.store import responders, tables

LINE, SMS, VOICE = Channel.LINE, Channel.SMS, Channel.VOICE
TEXTS = Texts(HERE / "messages", "th")
VOICE_TH = Voice.of("th", None, None)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("line sms", ((LINE, SMS), None)),
        ("sms", ((SMS,), None)),
        ("line sms+20s voice+45s", ((LINE, SMS, VOICE), (0, 20, 45))),
        ("LINE  voice+45", ((LINE, VOICE), (0, 45))),
        ("line sms+0s voice+30s", ((LINE, SMS, VOICE), (0, 0, 30))),
    ],
)
def test_a_roster_says_which_channel_follows_which(
    text: str, read: tuple[tuple[Channel, ...], tuple[int, ...] | None]
) -> None:
    assert read_turns(text) == read


WRONG = (
    *("", "fax", "drill", "line,sms", "line sms+x", "line line", "line sms+20s sms+45s", "line+20s"),
    *("line+5s sms+20s", "line sms+20s voice", "line sms voice+45s", "line sms+45s voice+20s"),
)


@pytest.mark.parametrize("text", WRONG)
def test_what_says_it_wrongly_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|names|first"):
        read_turns(text)


def test_the_turns_are_those_after_the_channel_that_asks_first() -> None:
    order, own = (LINE, SMS, VOICE), {LINE: 0, SMS: 20, VOICE: 45}
    later = [(SMS, timedelta(seconds=20)), (VOICE, timedelta(seconds=45))]
    assert list(turns_after(LINE, order, own, {})) == later
    assert list(turns_after(SMS, order, own, {})) == later[1:], "LINE is down, so SMS asks first"
    assert list(turns_after(LINE, order, None, {VOICE: 45})) == later[1:], "the default, where the row does not say"
    assert turns_after(LINE, (LINE, SMS), None, {}) == (), "as ever: only where one fails"


@given(st.uuids(), st.sampled_from(Channel), st.integers(0, 9999))
def test_a_turn_is_read_as_it_was_written(alert_id: UUID, channel: Channel, wait_s: int) -> None:
    turn = Turn(alert_id, channel, timedelta(seconds=wait_s))
    assert Turn.read(turn.subject) == turn


def test_a_question_is_said_twice_and_waits_for_one_digit() -> None:
    speech = Speech((Phrase("กข", ("alert",)), Phrase("B 2", ("b", "2")), Phrase("อำเภอเมือง")), asks=True)
    url = f"https://dispatch.example/webhooks/twilio/voice?delivery={uuid4()}"
    document = ElementTree.fromstring(twiml(TEXTS, VOICE_TH, speech, url))
    assert [verb.tag for verb in document] == ["Gather", "Gather", "Say", "Hangup"]
    gather = document[0]
    assert (gather.get("numDigits"), gather.get("action"), gather.get("method")) == ("1", url, "POST")
    assert [said.text for said in gather] == ["กข", "B 2", "อำเภอเมือง"]
    assert {said.get("language") for said in gather} == {"th-TH"}


def test_minutes_are_asked_for_once_and_end_with_the_hash_key() -> None:
    speech = recorded(TEXTS, Verb.ACCEPT, reads=True)
    document = ElementTree.fromstring(twiml(TEXTS, VOICE_TH, speech, "https://x"))
    assert [verb.tag for verb in document] == ["Gather", "Say", "Hangup"]
    assert (document[0].get("numDigits"), document[0].get("finishOnKey")) == ("3", "#")
    assert document[1].text == TEXTS.word("voice", "details"), "silence says no time, and is thanked for"


def test_whoever_is_there_is_not_asked_for_minutes() -> None:
    assert not recorded(TEXTS, Verb.ARRIVE, reads=True).minutes


@pytest.mark.parametrize(
    ("phone", "channels", "reads"),
    [
        ("+66812345678", [VOICE], [SMS]),
        ("+6621234567", [VOICE], []),  # a desk's phone shows no SMS
        ("+66812345678", [VOICE, LINE], [SMS]),  # no account is linked
        ("+6621234567", [VOICE, SMS], [SMS]),  # the roster says so
        (None, [VOICE], []),
    ],
)
def test_whoever_took_an_alert_in_a_call_reads_it_where_the_phone_can_show_it(
    phone: str | None, channels: list[Channel], reads: list[Channel]
) -> None:
    row = tables.Responder(ref="x", name_th="x", name_en="x", agency="x", role="radio_191", phone=phone)
    row.channels = list(channels)
    assert responders.readable(row) == reads


def test_recorded_prompts_are_played_and_places_are_spoken() -> None:
    speech = Speech((Phrase("กข", ("alert",)), Phrase("B 2", ("b", "2")), Phrase("อำเภอเมือง")), asks=True)
    prompts = Voice.of("th", None, "https://prompts.example/th/")
    gather = ElementTree.fromstring(twiml(TEXTS, prompts, speech, "https://x"))[0]
    assert [(said.tag, said.text) for said in gather] == [
        *(("Play", f"https://prompts.example/th/{name}.mp3") for name in ("alert", "b", "2")),
        ("Say", "อำเภอเมือง"),
    ]


def test_a_statement_ends_the_call() -> None:
    document = ElementTree.fromstring(twiml(TEXTS, VOICE_TH, statement(TEXTS, "over"), "https://x"))
    assert [verb.tag for verb in document] == ["Say", "Hangup"]
