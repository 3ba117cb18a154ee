"""The page of phones: what each person's phone shows, drawn on the server and kept fresh by polling."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from ess.simulator.ledger import OUTBOUND, Entry, Kind, Provider
from ess.simulator.taps import Button, Part, chips, parts
from ess.simulator.voice_phone import Habit, VoicePhones
from ess.simulator.world import CITIZEN, World

_BANGKOK = ZoneInfo("Asia/Bangkok")

#: Places that the picker offers: name, address, latitude, longitude.
PRESETS = (
    ("อ.เมืองพิษณุโลก", "ต.ในเมือง อ.เมืองพิษณุโลก จ.พิษณุโลก", 16.8211, 100.2659),
    ("เขตบางรัก กรุงเทพฯ", "แขวงสีลม เขตบางรัก กรุงเทพมหานคร", 13.7270, 100.5240),
    ("อ.เมืองเชียงใหม่", "ต.ศรีภูมิ อ.เมืองเชียงใหม่ จ.เชียงใหม่", 18.7883, 98.9853),
    ("นอกประเทศไทย", "เวียงจันทน์ สปป.ลาว", 17.98, 102.63),
)
#: What a page draws at most, newest first: a load run has more of both.
MAX_PHONES = 40
MAX_ENTRIES_A_PHONE = 200
MAX_ROWS = 500
_STATUS_WORDS = {
    "queued": "รอส่ง",
    "sent": "ส่งแล้ว",
    "delivered": "ถึงเครื่องแล้ว",
    "undelivered": "ส่งไม่ถึง",
    "failed": "ส่งไม่สำเร็จ",
}
_NOTES = {
    "follow": "เพิ่มบัญชีทางการเป็นเพื่อนแล้ว",
    "unfollow": "บล็อกบัญชีทางการแล้ว",
    "postback": "แตะปุ่ม",
}


#: What the page offers a phone to do by itself.
HABITS = {
    Habit.RINGS: "รับสายเอง",
    Habit.BUSY: "สายไม่ว่าง",
    Habit.NO_ANSWER: "ไม่มีคนรับ",
    Habit.MACHINE: "ฝากข้อความเสียง",
    Habit.SILENT: "รับแล้วเงียบ",
}


@dataclass(frozen=True)
class Bubble:
    """One thing in a chat."""

    seq: int
    #: theirs, mine or note.
    side: str
    time: str
    parts: list[Part]
    #: Below the bubble: how the SMS fared, or why it is not seen.
    footnote: str = ""
    #: Sent, but not on the phone's screen.
    unseen: bool = False


@dataclass(frozen=True)
class Phone:
    """What one person holds in the hand."""

    id: str
    name: str
    is_line: bool
    is_citizen: bool
    blocked: bool
    #: Number of its newest entry; 0 before the first.
    seq: int
    bubbles: list[Bubble] = field(default_factory=list)
    chips: list[Button] = field(default_factory=list)
    chips_seq: int = 0
    #: ringing, talking, or empty where no call is on.
    call: str = ""
    #: What it does by itself when it rings.
    habit: str = Habit.RINGS


def phones(world: World, voice: VoicePhones) -> list[Phone]:
    """The citizen's phone, then every other that has something on it, newest first."""
    chats: dict[str, list[Entry]] = {CITIZEN: []}
    for entry in world.ledger.since():
        chats.setdefault(entry.person, []).append(entry)
    citizen = _phone(world, voice, CITIZEN, chats.pop(CITIZEN))
    newest = sorted(chats.items(), key=lambda chat: chat[1][-1].seq, reverse=True)[:MAX_PHONES]
    others = [_phone(world, voice, person, chat) for person, chat in newest]
    return [citizen, *(phone for phone in others if phone.bubbles)]


def page_routes(world: World, voice: VoicePhones) -> APIRouter:
    """The page and the poll that keeps it fresh."""
    routes = APIRouter(include_in_schema=False)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True
    )
    environment.filters["clock"] = _clock
    page, phone, rows = (environment.get_template(name) for name in ("page.html", "phone.html", "ledger_rows.html"))

    @routes.get("/")
    async def show() -> HTMLResponse:
        return HTMLResponse(page.render(presets=PRESETS, settings=world.settings, citizen=CITIZEN, world=world))

    @routes.get("/sim/phones")
    async def fresh(since: int = 0, epoch: int = 0) -> dict[str, Any]:
        """What changed after that entry; everything when the page comes from before a reset."""
        since = since if epoch == world.epoch else 0
        entries = world.ledger.since(since)
        drawn = phones(world, voice) if entries or since == 0 else []
        return {
            "epoch": world.epoch,
            "seq": entries[-1].seq if entries else since,
            "order": [phone.id for phone in drawn],
            "phones": {
                shown.id: phone.render(phone=shown, habits=HABITS) for shown in drawn if shown.seq > since or since == 0
            },
            "ledger": rows.render(entries=reversed(entries[-MAX_ROWS:]), name=partial(_name, world)),
            "faults": [_fault_words(fault.model_dump()) for fault in world.faults.in_force()],
        }

    return routes


def _name(world: World, person: str) -> str:
    """As somebody is called on the page."""
    return world.names.get(person) or (f"LINE …{person[-6:]}" if person.startswith("U") else person)


def _phone(world: World, voice: VoicePhones, person: str, chat: list[Entry]) -> Phone:
    is_line = person.startswith("U")
    seq, buttons = chips(chat) if is_line else (0, [])
    return Phone(
        id=person,
        name=_name(world, person),
        is_line=is_line,
        is_citizen=person == CITIZEN,
        blocked=person in world.line.blocked,
        seq=chat[-1].seq if chat else 0,
        bubbles=[bubble for entry in chat[-MAX_ENTRIES_A_PHONE:] for bubble in _bubbles(world, entry)],
        chips=buttons,
        chips_seq=seq,
        call=_call(voice, person),
        habit=world.twilio.habits.get(person, Habit.RINGS),
    )


def _call(voice: VoicePhones, person: str) -> str:
    call = voice.ringing(person)
    if call is None:
        return ""
    return "ringing" if call.status in {"queued", "ringing"} else "talking"


def _bubbles(world: World, entry: Entry) -> list[Bubble]:
    time = _clock(entry)
    if entry.kind == Kind.INBOUND:
        return [_said(entry, time)]
    if entry.kind == Kind.CONNECTED:
        return [Bubble(entry.seq, "note", time, [Part("text", "🔗 ต่อสายแล้ว")])]
    if entry.kind not in OUTBOUND or entry.status not in {200, 201, None}:
        return []
    if entry.kind in {Kind.CALL, Kind.SPOKEN}:
        words = entry.text if entry.kind == Kind.SPOKEN else f"📞 สายเข้าจาก {entry.detail.get('from', '')}".strip()
        return [
            Bubble(entry.seq, "theirs", time, [Part("text", words)], "ในสาย" if entry.text else "", not entry.shown)
        ]
    if entry.provider == Provider.TWILIO:
        sms = world.twilio.messages[entry.sid or ""]
        words = _STATUS_WORDS.get(sms.status, sms.status)
        footnote = f"{words} ({sms.error_code})" if sms.error_code else words
        return [Bubble(entry.seq, "theirs", time, [Part("text", entry.text)], footnote, not entry.shown)]
    footnote = "" if entry.shown else "ผู้ใช้บล็อกบัญชี: LINE ตอบ 200 แต่ไม่แสดง"
    return [Bubble(entry.seq, "theirs", time, parts(message), footnote, not entry.shown) for message in entry.messages]


def _said(entry: Entry, time: str) -> Bubble:
    kind = entry.detail.get("type", "text")
    if kind == "location":
        return Bubble(entry.seq, "mine", time, [Part("place", entry.text)])
    if not entry.shown:
        note = " ".join([_NOTES.get(kind, kind), entry.detail.get("label", "")])
        return Bubble(entry.seq, "note", time, [Part("text", note)])
    return Bubble(entry.seq, "mine", time, [Part("text", entry.text)])


def _clock(entry: Entry) -> str:
    return entry.at.astimezone(_BANGKOK).strftime("%H:%M:%S")


def _fault_words(fault: dict[str, Any]) -> str:
    words = [str(fault["provider"]).upper(), str(fault["kind"])]
    words += [str(fault["code"])] if fault["code"] else []
    words += [f"→ {fault['to']}"] if fault["to"] else []
    words += [f"× {fault['times']}"] if fault["times"] else []
    return " ".join(words)
