"""What happens on a phone that Twilio calls: it rings, somebody may pick up, hears what TwiML says, presses digits.

Speech takes no time here, and a phone that is answered by a machine presses nothing.  A `<Dial>` rings a second phone,
which may hear a document of its own before both are connected.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urljoin
from xml.etree import ElementTree

from ess.simulator.edge import Answer
from ess.simulator.ledger import Kind, Provider
from ess.simulator.twilio_account import API_VERSION, Call
from ess.simulator.world import World


class Habit(StrEnum):
    """What a phone does by itself when it rings."""

    #: Rings until somebody picks up by hand, or the time is over.
    RINGS = "rings"
    BUSY = "busy"
    #: Nobody is there: as if it had rung for its full time.
    NO_ANSWER = "no_answer"
    #: Voicemail picks up, and presses nothing.
    MACHINE = "machine"
    #: A person picks up, presses nothing and says nothing.
    SILENT = "silent"


#: What is told of who picked up a phone that was dialled; who says nothing cannot be told from a machine.
_ANSWERED_BY = {Habit.MACHINE: "machine_start", Habit.SILENT: "unknown"}
#: The attributes of a `<Number>` that name where Twilio asks and tells.
_HOOKS = ("url", "statusCallback", "amdStatusCallback")
#: The two can talk.
_CONNECTED = "in-progress"


@dataclass
class _Line:
    """A call that somebody can still do something with."""

    call: Call
    picked_up: asyncio.Event = field(default_factory=asyncio.Event)
    #: Digits as they are pressed; None: hung up.
    keys: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)
    #: Waits for a digit right now.
    asks: bool = False
    #: Not taken.
    refused: bool = False

    async def hung_up(self) -> None:
        """Returns when they hang up; digits do nothing."""
        while await self.keys.get() is not None:
            pass


class VoicePhones:
    """Every person's telephone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lines: dict[str, _Line] = {}

    def ring(self, form: dict[str, str], events: frozenset[str], error_code: int | None = None) -> Call:
        """The call is queued; what comes of it follows on its own."""
        world, now = self._world, self._world.clock()
        call = Call(
            sid=world.twilio.new_sid("CA"),
            to=form["To"],
            sender=form["From"],
            url=form["Url"],
            status="queued",
            created_at=now,
            updated_at=now,
            status_callback=form.get("StatusCallback"),
            status_events=events or frozenset({"completed"}),
            amd_callback=form.get("AsyncAmdStatusCallback") if form.get("MachineDetection") else None,
            ring_s=int(form.get("Timeout", "60")),
        )
        world.twilio.calls[call.sid] = call
        world.ledger.record(
            *(Provider.TWILIO, Kind.CALL, call.to),
            to=call.to,
            status=201,
            sid=call.sid,
            shown=error_code is None,
            detail={"from": call.sender, "url": call.url},
        )
        line = self._lines[call.to] = _Line(call)
        world.twilio.later(self._live(line, error_code))
        return call

    def ringing(self, phone: str) -> Call | None:
        """The call on this phone that has not ended."""
        line = self._lines.get(phone)
        return line.call if line and line.call.sid in self._world.twilio.calls else None

    def asks(self, phone: str) -> bool:
        """Whether somebody on this phone has picked up and is waited for."""
        line = self._lines.get(phone)
        return bool(line and line.asks)

    def pick_up(self, phone: str) -> bool:
        """Somebody picks up; false where nothing rings."""
        line = self._lines.get(phone)
        if line:
            line.picked_up.set()
        return line is not None

    def press(self, phone: str, digits: str) -> bool:
        """They press digits, and pick up first where they have not."""
        line = self._lines.get(phone)
        if line:
            line.picked_up.set()
            line.keys.put_nowait(digits)
        return line is not None

    def hang_up(self, phone: str) -> bool:
        """They hang up, or do not take the call; false where there is none."""
        line = self._lines.get(phone)
        if line is None:
            return False
        if line.picked_up.is_set():
            line.keys.put_nowait(None)
        else:
            line.refused = True
            line.picked_up.set()
        return True

    async def _live(self, line: _Line, error_code: int | None) -> None:
        call = line.call
        try:
            await self._report(call, "initiated")
            if error_code is not None:
                await self._end(call, "failed")
                return
            call.status = "ringing"
            await self._report(call, "ringing")
            habit = self._habit(call)
            if missed := await self._missed(line, habit):
                await self._end(call, missed)
                return
            await self._talk(line, habit)
            await self._end(call, "completed")
        finally:
            if self._lines.get(call.to) is line:
                del self._lines[call.to]

    def _habit(self, call: Call) -> Habit:
        return Habit(self._world.twilio.habits.get(call.to, Habit.RINGS))

    async def _missed(self, line: _Line, habit: Habit) -> str:
        """How the ringing ended where nobody picked up; empty where somebody did."""
        if habit is Habit.BUSY:
            return "busy"
        if habit is Habit.NO_ANSWER:
            return "no-answer"
        if habit is Habit.RINGS:
            try:
                await asyncio.wait_for(line.picked_up.wait(), line.call.ring_s)
            except TimeoutError:
                return "no-answer"
        return "busy" if line.refused else ""

    async def _talk(self, line: _Line, habit: Habit) -> None:
        call = line.call
        call.status, call.started_at = "in-progress", self._world.clock()
        call.answered_by = "machine_start" if habit is Habit.MACHINE else "human"
        if call.amd_callback:
            self._world.twilio.later(self._tell_who(call, call.amd_callback))
        await self._report(call, "answered")
        url, form = call.url, self._form(call)
        while url:
            answer = await self._ask(call, url, form)
            if answer.status != 200:
                self._say(call, "an application error has occurred")
                return
            url, form = await self._follow(line, url, answer.body, by_hand=habit is Habit.RINGS)

    async def _follow(self, line: _Line, base: str, body: str, *, by_hand: bool) -> tuple[str, dict[str, str]]:
        """Do what the document says; where Twilio asks next, empty where the call is over."""
        call = line.call
        for verb in ElementTree.fromstring(body):  # noqa: S314 - written by our own edge, on loopback
            match verb.tag:
                case "Say" | "Play":
                    self._say(call, *_words(verb))
                case "Gather":
                    self._say(call, *(words for part in verb for words in _words(part)))
                    digits = await self._digits(line, verb) if by_hand else ""
                    if digits is None:
                        return "", {}
                    if digits:
                        return urljoin(base, verb.get("action") or base), self._form(call) | {"Digits": digits}
                case "Dial":
                    return await self._dial(line, base, verb)
                case "Redirect":
                    return urljoin(base, (verb.text or "").strip()), self._form(call)
                case "Hangup" | "Reject":
                    return "", {}
        return "", {}

    async def _dial(self, line: _Line, base: str, verb: ElementTree.Element) -> tuple[str, dict[str, str]]:
        """Ring the second phone, connect both, until one hangs up or the time is over; where Twilio asks next."""
        world, parent, number = self._world, line.call, verb.find("Number")
        if number is None:
            raise AssertionError("only <Dial><Number> is simulated")
        call = self._second_call(parent, base, verb, number)
        other = _Line(call)
        left = asyncio.ensure_future(line.hung_up())
        ready = asyncio.ensure_future(self._until_connected(other))
        theirs = asyncio.ensure_future(other.hung_up())
        try:
            await asyncio.wait({left, ready, theirs}, return_when=asyncio.FIRST_COMPLETED)
            status = ready.result() if ready.done() else "completed" if call.started_at else "canceled"
            bridged = status == _CONNECTED
            if bridged:
                for each in (parent, call):
                    world.ledger.record(Provider.TWILIO, Kind.CONNECTED, each.to, sid=each.sid)
                await asyncio.wait(
                    {left, theirs}, timeout=float(verb.get("timeLimit", "14400")), return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for task in (ready, theirs, left):
                task.cancel()
            if self._lines.get(call.to) is other:
                del self._lines[call.to]
        over = "completed" if bridged else status
        world.twilio.later(self._end(call, over))
        form = self._form(parent) | {
            "DialCallSid": call.sid,
            "DialCallStatus": over,
            "DialCallDuration": str(self._talked_s(call)),
            "DialBridged": str(bridged).lower(),
        }
        action = urljoin(base, verb.get("action") or base)
        if left.done() and not left.cancelled():  # nobody hears what comes next
            await self._ask(parent, action, form)
            return "", {}
        return action, form

    def _second_call(self, parent: Call, base: str, verb: ElementTree.Element, number: ElementTree.Element) -> Call:
        now = self._world.clock()
        hooks = {name: urljoin(base, number.attrib[name]) for name in _HOOKS if name in number.attrib}
        call = Call(
            sid=self._world.twilio.new_sid("CA"),
            to=(number.text or "").strip(),
            sender=verb.get("callerId") or parent.to,  # Twilio shows the first phone where none is said
            url=hooks.get("url", ""),
            status="queued",
            created_at=now,
            updated_at=now,
            status_callback=hooks.get("statusCallback"),
            status_events=frozenset(number.get("statusCallbackEvent", "completed").split()),
            amd_callback=hooks.get("amdStatusCallback") if number.get("machineDetection") else None,
            ring_s=int(verb.get("timeout", "30")),
            parent_sid=parent.sid,
        )
        self._world.twilio.calls[call.sid] = call
        self._world.ledger.record(
            *(Provider.TWILIO, Kind.CALL, call.to), to=call.to, sid=call.sid, shown=True, detail={"from": call.sender}
        )
        return call

    async def _until_connected(self, line: _Line) -> str:
        """The second phone's part: how it ended, or that it is connected now."""
        call = line.call
        url = call.url
        if call.to in self._lines:
            return "busy"
        self._lines[call.to] = line
        call.status = "ringing"
        await self._report(call, "ringing")
        habit = self._habit(call)
        if missed := await self._missed(line, habit):
            return missed
        call.status, call.started_at = _CONNECTED, self._world.clock()
        call.answered_by = _ANSWERED_BY.get(habit, "human")
        if call.amd_callback:
            self._world.twilio.later(self._tell_who(call, call.amd_callback))
        while url:
            answer = await self._ask(call, url, self._form(call))
            if answer.status != 200:
                return "failed"
            url = ""
            for verb in ElementTree.fromstring(answer.body):  # noqa: S314 - written by our own edge, on loopback
                match verb.tag:
                    case "Say" | "Play":
                        self._say(call, *_words(verb))
                    case "Pause":
                        await asyncio.sleep(float(verb.get("length", "1")))
                    case "Redirect":
                        url = urljoin(call.url, (verb.text or "").strip())
                    case "Hangup":
                        return "completed"
        return _CONNECTED

    def _talked_s(self, call: Call) -> int:
        """Since it was picked up, whole seconds."""
        return int((self._world.clock() - call.started_at).total_seconds()) if call.started_at else 0

    async def _digits(self, line: _Line, gather: ElementTree.Element) -> str | None:
        """What is pressed before the key that finishes it, or before nothing more is; None: hung up.

        https://www.twilio.com/docs/voice/twiml/gather
        """
        most, finish = int(gather.get("numDigits", "32")), gather.get("finishOnKey", "#")
        pressed = ""
        line.asks = True
        try:
            while len(pressed) < most:
                keys = await asyncio.wait_for(line.keys.get(), float(gather.get("timeout", "5")))
                if keys is None:
                    return None
                before, finished, _ = keys.partition(finish)
                pressed += before
                if finished:
                    break
        except TimeoutError:
            pass
        finally:
            line.asks = False
        return pressed[:most]

    def _say(self, call: Call, *words: str) -> None:
        text = " ".join(words)
        self._world.ledger.record(
            Provider.TWILIO, Kind.SPOKEN, call.to, to=call.to, text=text, sid=call.sid, shown=True
        )

    async def _ask(self, call: Call, url: str, form: dict[str, str]) -> Answer:
        if digits := form.get("Digits"):
            self._world.ledger.record(Provider.TWILIO, Kind.INBOUND, call.to, text=digits, sid=call.sid, shown=True)
        answer = await self._world.edge.twilio(url, form)
        self._world.ledger.record(
            Provider.TWILIO,
            Kind.WEBHOOK,
            call.to,
            status=answer.status,
            sid=call.sid,
            detail={"duration_ms": answer.duration_ms, "error": answer.error, "type": "voice"},
        )
        return answer

    async def _end(self, call: Call, status: str) -> None:
        call.status, call.updated_at = status, self._world.clock()
        await self._report(call, "completed")

    async def _report(self, call: Call, event: str) -> None:
        """The status callback of an event that was asked for; every end counts as `completed`."""
        if call.status_callback and event in call.status_events:
            status = "initiated" if event == "initiated" else call.status
            await self._tell(call, call.status_callback, self._form(call) | {"CallStatus": status})

    async def _tell_who(self, call: Call, url: str) -> None:
        form = {"CallSid": call.sid, "AccountSid": self._world.twilio.sid, "AnsweredBy": call.answered_by or "unknown"}
        await self._tell(call, url, form | {"MachineDetectionDuration": "1200"})

    async def _tell(self, call: Call, url: str, form: dict[str, str]) -> None:
        answer = await self._world.edge.twilio(url, form)
        self._world.ledger.record(
            Provider.TWILIO,
            Kind.STATUS_CALLBACK,
            call.to,
            status=answer.status,
            sid=call.sid,
            detail={"call_status": form.get("CallStatus") or form.get("AnsweredBy"), "error": answer.error},
        )

    def _form(self, call: Call) -> dict[str, str]:
        return {
            "CallSid": call.sid,
            "AccountSid": self._world.twilio.sid,
            "From": call.sender,
            "To": call.to,
            "CallStatus": call.status,
            "CallDuration": str(self._talked_s(call)),
            "ApiVersion": API_VERSION,
            "Direction": call.direction,
        }


def _words(verb: ElementTree.Element) -> Iterator[str]:
    text = "".join(verb.itertext()).strip()
    if text:
        yield f"[{text.rsplit('/', 1)[-1]}]" if verb.tag == "Play" else text
