"""What people call the provinces, districts and sub-districts: official names (geothai), and names of the street.

An area is told by its DOPA code, whose length tells the level: 2 digits a province, 4 a district, 6 a sub-district.
"""

import re
import unicodedata
from collections import defaultdict
from functools import cache

import geothai

from ess.domain.place import Area

PROVINCE, DISTRICT, SUBDISTRICT = 2, 4, 6
BANGKOK = "10"

#: Names that no register has, and spellings that many people use, by the code of what they name or lie in.
_NICKNAMES = {
    "10": "กรุงเทพ กทม บางกอก krungthep krungthepmahanakhon bkk",
    "12": "เมืองนนท์",
    "13": "เมืองปทุม รังสิต rangsit",
    "14": "อยุธยา กรุงเก่า ayutthaya ayuthaya ayudhya",
    "20": "เมืองชล cholburi",
    "22": "เมืองจันท์ เมืองจัน จันทบูร chantaburi",
    "24": "แปดริ้ว",
    "30": "โคราช นครราช korat khorat",
    "33": "ศรีษะเกษ",
    "34": "อุบล ubon",
    "38": "bungkan",
    "41": "อุดร udon",
    "44": "สารคาม",
    "67": "เพรชบูรณ์",
    "71": "เมืองกาญจน์ เมืองกาญ กาญจน์ kanburi",
    "72": "สุพรรณ",
    "76": "เพรชบุรี เมืองเพชร petchburi petchaburi",
    "77": "ประจวบ",
    "80": "นครศรี เมืองคอน nakhonsi",
    "82": "panga phanga",
    "84": "สุราษฎร์ สุราษ สุราษฏร์ สุราด surat",
    "93": "เมืองลุง",
    "2001": "บางแสน bangsaen",
    "2004": "พัทยา เมืองพัทยา เกาะล้าน pattaya",
    "2007": "แหลมฉบัง laemchabang",
    "2101": "เกาะเสม็ด kosamet kohsamet",
    "8101": "เกาะพีพี พีพี phiphi kophiphi kohphiphi aonang อ่าวนาง",
    "8302": "ป่าตอง patong",
    "8404": "สมุย samui kohsamui",
    "8405": "พะงัน เกาะพงัน เกาะเต่า phangan kohphangan kohtao kotao",
    "9011": "haadyai",
    "9101": "หลีเป๊ะ เกาะหลีเป๊ะ lipe kohlipe kolipe",
}

_COMMON_WORDS = """
เลย ตาก แพร่ น่าน กระบี่ กาญจน์ nan tak surat udon
คูเมือง จัตุรัส จุฬาภรณ์ ชนบท ชำนิ ชื่นชม ดินแดง ท่าใหม่ ท่าเรือ น้ำขุ่น น้ำเกลี้ยง นครหลวง บ้านคา บ้านนา บ้านลาด
บ้านหมอ ปากท่อ พระนคร พระพรหม พระพุทธบาท มหาราช มะขาม วัฒนา วิภาวดี ศรีนครินทร์ ศรีวิไล สมเด็จ สะพานสูง
สังคม สาทร สายไหม สิรินธร สีชมพู สีดา สุวรรณภูมิ หลังสวน หลักสี่ อุทัย เทพา เพ็ญ เสนา เสริมงาม เหนือคลอง
เอราวัณ แม่จัน แม่วาง แม่สาย แม่อาย แสวงหา โพธิ์ทอง ไชโย
"""
#: Names that are everyday words, people's names or well-known sights elsewhere: without a marker or the rest of an
#: address they name nothing.
COMMON_WORDS = frozenset(_COMMON_WORDS.split())

#: Ways to write a sound of Thai in Latin letters; the first is the register's.
_SPELLINGS = (("mueang", "muang"), ("mueang", "meuang"), ("nakhon", "nakorn"), ("nakhon", "nakhorn"))
_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
#: Thai letters with a killer, tone marks, and the h of Latin spellings ("Pitsanulok").
_SILENT = re.compile("[ก-ฮ][ิุ]?์|[็-๎]|h")
_ALIKE = str.maketrans("ฃคฅฆศษณญฎฏฐฑฒถธภผฬใฤ", "ขขขขสสนยดตทททททพพลไร")
_NOT_IN_NAMES = re.compile(r"[^a-zก-ฮะ-ฺเ-ๅ็-๎]")


def tidy(text: str) -> str:
    """The text as comparable letters: one form of each character, small Latin letters, Arabic digits."""
    text = unicodedata.normalize("NFKC", text).lower().translate(_THAI_DIGITS)
    text = re.sub("ํ([่-๋]?)า", r"\1ำ", text).replace("เเ", "แ")
    for register, spoken in _SPELLINGS:
        text = text.replace(spoken, register)
    return text


def key(name: str) -> str:
    """A name without whatever people write or leave out between its letters."""
    return _NOT_IN_NAMES.sub("", tidy(name))


def sound(letters: str) -> str:
    """A key as it is heard: letters that sound alike become one, silent letters and tones go."""
    return _SILENT.sub("", letters).translate(_ALIKE).replace("ee", "i").replace("oo", "u")


@cache
def by_name() -> dict[str, frozenset[str]]:
    """The codes of all areas that bear a name, by the name's key."""
    codes: dict[str, set[str]] = defaultdict(set)
    for area in _register():
        for name in (area.name_th.removeprefix("เขต"), area.name_en):
            codes[key(name)].add(area.code)
    for code, nicknames in _NICKNAMES.items():
        for name in nicknames.split():
            codes[key(name)].add(code)
    return {name: frozenset(found) for name, found in codes.items()}


@cache
def by_sound(level: int) -> dict[str, frozenset[str]]:
    """The codes of the areas of a level, by the sound of their names."""
    codes: dict[str, set[str]] = defaultdict(set)
    for name, named in by_name().items():
        codes[sound(name)] |= {code for code in named if len(code) == level}
    return {heard: frozenset(found) for heard, found in codes.items() if found}


@cache
def by_postal_code() -> dict[str, frozenset[str]]:
    """The codes of the districts that a post code serves."""
    codes: dict[str, set[str]] = defaultdict(set)
    for province in geothai.provinces():
        for district in geothai.districts(province.code):
            for subdistrict in geothai.subdistricts(district.code):
                for postal_code in subdistrict.postal_codes:
                    codes[postal_code].add(district.code)
    return {postal_code: frozenset(found) for postal_code, found in codes.items()}


@cache
def areas() -> dict[str, Area]:
    """Every area by its code."""
    return {area.code: area for area in _register()}


@cache
def capitals() -> frozenset[str]:
    """The districts that people call "Mueang" for short: one in each province but Bangkok."""
    return frozenset(f"{province.code}01" for province in geothai.provinces() if province.code != BANGKOK)


@cache
def _register() -> tuple[Area, ...]:
    register = []
    for province in geothai.provinces():
        register.append(Area(province.code, province.name_th, province.name_en))
        for district in geothai.districts(province.code):
            register.append(Area(district.code, district.name_th, district.name_en))
            register += [Area(each.code, each.name_th, each.name_en) for each in geothai.subdistricts(district.code)]
    return tuple(register)
