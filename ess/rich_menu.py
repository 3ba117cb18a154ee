"""The menu below the LINE chat as operators wrote it; what LINE would refuse is told with file and line.

https://developers.line.biz/en/reference/messaging-api/#rich-menu-structure
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Literal

from ess import written
from ess.domain.errors import Misconfigured, Refused

_STRICT: dict[str, Any] = {"extra": "forbid"}
_WIDTHS, _LEAST_HEIGHT, _LEAST_RATIO = range(800, 2501), 250, 1.45
_MOST_AREAS, _BAR, _LABEL, _SENT = 20, 14, 20, 300
_MOST_BYTES = 1_000_000
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"

Language = Literal["th", "en"]


@dataclass(frozen=True)
class Words:
    """The same in both languages."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    th: str
    en: str

    def of(self, language: Language) -> str:
        """In this language."""
        return self.th if language == "th" else self.en


@dataclass(frozen=True)
class Size:
    """Of the image, in pixels."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    width: int
    height: int


@dataclass(frozen=True)
class Area:
    """A part of the image that can be tapped, in pixels from the top left, and the one thing that it does."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    x: int
    y: int
    width: int
    height: int
    #: Read out by a phone that speaks.
    label: Words
    #: Data that the chat understands as a button.
    postback: str | None = None
    #: What it types for them.
    says: Words | None = None
    #: A page (https) or a telephone (tel).
    opens: str | None = None

    def overlaps(self, other: "Area") -> bool:
        """Whether a tap could mean both."""
        beside = self.x + self.width <= other.x or other.x + other.width <= self.x
        above = self.y + self.height <= other.y or other.y + other.height <= self.y
        return not (beside or above)


@dataclass(frozen=True)
class RichMenu:
    """The whole menu."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    size: Size
    #: What the bar says that opens and closes the menu.
    chat_bar: Words
    areas: tuple[Area, ...]


@dataclass(frozen=True)
class Image:
    """A picture of the menu as LINE takes it."""

    content_type: str
    data: bytes


def load_rich_menu(path: Path) -> RichMenu:
    """The menu; Misconfigured lists every problem as `file:line: path: what to do`."""
    menu, errors = written.read(path, RichMenu, problems, noun="menu", words="menus")
    if errors or menu is None:
        raise Misconfigured("\n".join(errors))
    return menu


def load_image(path: Path, size: Size) -> Image:
    """The picture; Refused where LINE would not take it, or where it is a PNG of another size than the menu."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise Refused(f"{path} has {len(data):,} bytes, LINE takes {_MOST_BYTES:,}: save it smaller, as JPEG")
    if data.startswith(_PNG):
        # Width and height stand first in the first chunk: https://www.w3.org/TR/png/#11IHDR
        found = Size(int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
        if found != size:
            wanted = f"{size.width} × {size.height}"
            raise Refused(f"{path} is {found.width} × {found.height}, the menu {wanted}: draw it as large as that")
        return Image("image/png", data)
    if data.startswith(_JPEG):
        return Image("image/jpeg", data)
    raise Refused(f"{path} is neither PNG nor JPEG: save it as one of these")


def problems(menu: RichMenu) -> Iterator[tuple[written.ValuePath, str]]:
    """What LINE would refuse, or nobody could tap, each with the path of the value to change."""
    size = menu.size
    if size.width not in _WIDTHS:
        yield ("size", "width"), f"must be {_WIDTHS[0]} to {_WIDTHS[-1]}"
    if size.height < _LEAST_HEIGHT or size.width < _LEAST_RATIO * size.height:
        yield (
            ("size", "height"),
            f"must be {_LEAST_HEIGHT} or more, and the width at least {_LEAST_RATIO} times as much",
        )
    yield from _long(("chat_bar",), menu.chat_bar, _BAR)
    if not 1 <= len(menu.areas) <= _MOST_AREAS:
        yield ("areas",), f"must be 1 to {_MOST_AREAS}"
    for i, area in enumerate(menu.areas):
        yield from _area_problems(("areas", i), area, size)
    for (i, one), (j, other) in combinations(enumerate(menu.areas), 2):
        if one.overlaps(other):
            yield ("areas", j), f"overlaps area {i + 1}: a tap there would mean both"


def _area_problems(where: tuple[str | int, ...], area: Area, size: Size) -> Iterator[tuple[written.ValuePath, str]]:
    inside = 0 <= area.x < area.x + area.width <= size.width and 0 <= area.y < area.y + area.height <= size.height
    if not inside:
        yield where, f"must lie within the {size.width} × {size.height} of the menu"
    yield from _long((*where, "label"), area.label, _LABEL)
    if sum(does is not None for does in (area.postback, area.says, area.opens)) != 1:
        yield where, "must do one thing: `postback`, `says` or `opens`"
    if area.postback is not None and not 1 <= _units(area.postback) <= _SENT:
        yield (*where, "postback"), f"must have 1 to {_SENT} characters"
    if area.says:
        yield from _long((*where, "says"), area.says, _SENT)
    if area.opens is not None and not area.opens.startswith(("https://", "tel:")):
        yield (*where, "opens"), "must begin with `https://` or `tel:`"


def _long(where: tuple[str | int, ...], words: Words, most: int) -> Iterator[tuple[written.ValuePath, str]]:
    for language, text in (("th", words.th), ("en", words.en)):
        if not 1 <= _units(text) <= most:
            yield (*where, language), f"has {_units(text)} characters, 1 to {most} are allowed"


def _units(text: str) -> int:
    """The length as LINE counts it."""
    return len(text.encode("utf-16-le")) // 2
