"""What a call says, as TwiML.  Fixed phrases and the letters of a code may be recorded; place names are spoken.

https://www.twilio.com/docs/voice/twiml
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from twilio.twiml.voice_response import Gather, VoiceResponse

from ess.conversation.answer import VERBS, WITH_ETA, Verb
from ess.conversation.texts import Texts
from ess.domain.bridge import Leg
from ess.domain.incident import Incident

#: Somebody who is woken needs a moment.
_WAIT_FOR_DIGIT_S = 8
#: How often the same is said to somebody who presses nothing.
_TIMES = 2
#: Whoever picks up says something within this, and so does a machine.
_DETECTION_S = 8
_LANGUAGES = {"th": ("th-TH", "Google.th-TH-Standard-A"), "en": ("en-US", "Google.en-US-Standard-C")}

DIGITS: dict[str, Verb] = {"1": Verb.ACCEPT, "2": Verb.DECLINE}
AGAIN = "3"
#: What whoever has accepted presses: the digits of an SMS.
PROGRESS_DIGITS: dict[str, Verb] = {
    digit: verb for digit, verb in VERBS.items() if digit.isdigit() and verb is not Verb.ACCEPT
}
#: Nobody needs longer than a day.
_MOST_MINUTES = 3


@dataclass(frozen=True)
class Phrase:
    """Words for a machine's voice, and the recorded prompts that say the same; without prompts it is always spoken."""

    words: str
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Speech:
    """What is said next in a call, and whether a digit is waited for."""

    phrases: tuple[Phrase, ...]
    asks: bool = False
    #: The phrase for whoever presses nothing.
    goodbye: str = "no_digit"
    #: Whether a number of minutes is waited for instead, with # behind it.
    minutes: bool = False

    @property
    def words(self) -> str:
        """All of it in one line."""
        return " ".join(phrase.words for phrase in self.phrases)


@dataclass(frozen=True)
class Voice:
    """How it is said."""

    language: str
    name: str
    #: Where recorded prompts lie; None: everything is spoken.
    prompts_url: str | None = None

    @classmethod
    def of(cls, language: str, name: str | None, prompts_url: str | None) -> "Voice":
        """The configured voice, or one of Twilio's that speaks the language of the messages."""
        spoken, usual = _LANGUAGES[language]
        return cls(spoken, name or usual, prompts_url.rstrip("/") if prompts_url else None)


def phrase(texts: Texts, key: str) -> Phrase:
    """A fixed phrase; its recording has the name of its key."""
    return Phrase(texts.word("voice", key), (key,))


def _code(incident: Incident) -> Phrase:
    return Phrase(" ".join(incident.code), tuple(incident.code.lower()))


def question(texts: Texts, incident: Incident, *first: Phrase) -> Speech:
    """The alert: code, place to the district, and what to press; no type and no person, whoever picks up hears it."""
    place = Phrase(texts.place(incident.place, "spoken_places"))
    return Speech((*first, phrase(texts, "alert"), _code(incident), place, phrase(texts, "choices")), asks=True)


def progress_question(texts: Texts, key: str, incident: Incident, verbs: Collection[Verb], *first: Phrase) -> Speech:
    """Whether they have left, or arrived (`key`), and what to press for each of the verbs."""
    choices = [phrase(texts, f"choice_{verb}") for verb in PROGRESS_DIGITS.values() if verb in verbs]
    asked = (phrase(texts, "progress"), _code(incident), phrase(texts, key))
    return Speech((*first, *asked, *choices), asks=True, goodbye="progress_no_digit")


def recorded(texts: Texts, verb: Verb, *, reads: bool) -> Speech:
    """What was recorded; whoever comes is asked when they will be there, and need not say it.

    Where they have nothing to read they hear whom to ask for the place.
    """
    said = phrase(texts, verb)
    return minutes_question(texts, said, reads=reads) if verb in WITH_ETA else Speech((said,))


def minutes_question(texts: Texts, *first: Phrase, reads: bool) -> Speech:
    """In how many minutes they will be there."""
    return Speech((*first, phrase(texts, "minutes")), goodbye=_details(reads=reads), minutes=True)


def expected(texts: Texts, n: int, *, reads: bool) -> Speech:
    """In how many minutes they said that they will be there."""
    return Speech((Phrase(texts.word("voice", "eta", n=n)), phrase(texts, _details(reads=reads))))


def _details(*, reads: bool) -> str:
    return "details" if reads else "no_details"


def bridge_question(texts: Texts, incident: Incident, *first: str) -> Speech:
    """Before a victim's phone rings: the code, what to ask first, and what to press; no person and no place."""
    keys = (*first, "bridge")
    return Speech(
        (*(phrase(texts, key) for key in keys), _code(incident), phrase(texts, "bridge_choice")),
        asks=True,
        goodbye="bridge_no_digit",
    )


def statement(texts: Texts, key: str) -> Speech:
    """One phrase, and the call is over."""
    return Speech((phrase(texts, key),))


def twiml(texts: Texts, voice: Voice, speech: Speech, ask_at: str) -> str:
    """The document for Twilio; a digit is sent to `ask_at`.  Whoever presses none hears it again, then goodbye.

    Minutes are asked for once.
    """
    response = VoiceResponse()
    if speech.minutes:
        gather = Gather(
            num_digits=_MOST_MINUTES, finish_on_key="#", timeout=_WAIT_FOR_DIGIT_S, action=ask_at, method="POST"
        )
        _say(gather, voice, speech.phrases)
        response.append(gather)
        _say(response, voice, [phrase(texts, speech.goodbye)])
    elif speech.asks:
        for _ in range(_TIMES):
            gather = Gather(num_digits=1, timeout=_WAIT_FOR_DIGIT_S, action=ask_at, method="POST")
            _say(gather, voice, speech.phrases)
            response.append(gather)
        _say(response, voice, [phrase(texts, speech.goodbye)])
    else:
        _say(response, voice, speech.phrases)
    response.hangup()
    return str(response)


@dataclass(frozen=True)
class Dial:
    """How a second phone is rung and connected with the call."""

    to: str = field(repr=False)
    #: What both see.
    number: str
    ring_s: int
    talk_s: int
    #: Where it is asked what to say once the second phone's part is over.
    ended_at: str
    #: Where it is asked what happens on the second phone's side before the two are connected.
    hold_at: str
    #: Where it is told who picked up there, and how it ended.
    told_at: str


def dial_twiml(texts: Texts, voice: Voice, dial: Dial) -> str:
    """The document that connects: nothing is recorded, and the caller hears it ring until the two can talk.

    https://www.twilio.com/docs/voice/twiml/dial, https://www.twilio.com/docs/voice/twiml/number
    """
    response = VoiceResponse()
    _say(response, voice, [phrase(texts, "bridge_connecting")])
    leg = response.dial(
        caller_id=dial.number,
        answer_on_bridge=True,
        timeout=dial.ring_s,
        time_limit=dial.talk_s,
        record="do-not-record",
        action=dial.ended_at,
        method="POST",
    )
    leg.number(
        dial.to,
        url=dial.hold_at,
        method="POST",
        machine_detection="Enable",
        machine_detection_timeout=_DETECTION_S,
        amd_status_callback=dial.told_at,
        status_callback=dial.told_at,
        status_callback_event="completed",
    )
    return str(response)


def hold_twiml(leg: Leg, again_at: str) -> str:
    """What the second phone's side hears before the two are connected, which is nothing; an empty one connects them."""
    response = VoiceResponse()
    match leg:
        case Leg.WAIT:
            response.pause(length=1)
            response.redirect(again_at, method="POST")
        case Leg.HANG_UP:
            response.hangup()
        case Leg.CONNECT:
            pass
    return str(response)


def _say(where: Gather | VoiceResponse, voice: Voice, phrases: Iterable[Phrase]) -> None:
    for said in phrases:
        if voice.prompts_url and said.prompts:
            for prompt in said.prompts:
                where.play(f"{voice.prompts_url}/{prompt}.mp3")
        else:
            where.say(said.words, language=voice.language, voice=voice.name)
