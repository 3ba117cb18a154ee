"""config/rich_menu.yaml: a tap there is understood, LINE takes it, and a wrong one is refused with its line."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import HERE
from ess.conversation import citizen
from ess.conversation.citizen import Draft, hear_button, hear_text
from ess.domain.errors import Misconfigured, Refused
from ess.rich_menu import Area, RichMenu, Size, Words, load_image, load_rich_menu, problems

SHIPPED = HERE / "rich_menu.yaml"
LANGUAGES = ("th", "en")


def the_menu() -> RichMenu:
    return load_rich_menu(SHIPPED)


def test_the_shipped_menu_is_one_that_line_takes_and_leaves_no_part_of_it_dead() -> None:
    menu = the_menu()
    assert list(problems(menu)) == []
    assert sum(area.width * area.height for area in menu.areas) == menu.size.width * menu.size.height


def test_every_button_of_the_menu_does_what_it_says() -> None:
    report, status, safe, call = the_menu().areas
    assert hear_button(Draft(), report.postback or "").reply == "choose_type"
    assert status.says
    assert safe.says
    for language in LANGUAGES:
        assert hear_text(Draft(filed=True), status.says.of(language)).asks_status  # type: ignore[arg-type]
        assert hear_text(Draft(filed=True), safe.says.of(language)).word is not None  # type: ignore[arg-type]
    assert call.opens == "tel:1300"
    assert report.postback == citizen.START


def test_to_ask_for_help_is_the_largest_and_the_first() -> None:
    first, *others = the_menu().areas
    assert all(first.width * first.height > other.width * other.height for other in others)
    assert (first.x, first.y) == (0, 0)


# --- what is wrong ---------------------------------------------------------------------------------------
LONG = Words("ก" * 301, "x")
WRONG = {
    "too narrow": (lambda menu: replace(menu, size=Size(700, 400)), "must be 800 to 2500"),
    "too high": (lambda menu: replace(menu, size=Size(2500, 1800)), "1.45 times"),
    "a long bar": (lambda menu: replace(menu, chat_bar=LONG), "1 to 14"),
    "no area": (lambda menu: replace(menu, areas=()), "1 to 20"),
    "outside": (lambda menu: _with(menu, x=2000), "must lie within"),
    "without a width": (lambda menu: _with(menu, width=0), "must lie within"),
    "two on one spot": (lambda menu: replace(menu, areas=menu.areas[:1] * 2), "would mean both"),
    "a long label": (lambda menu: _with(menu, label=LONG), "1 to 20"),
    "nothing to do": (lambda menu: _with(menu, postback=None), "must do one thing"),
    "two things to do": (lambda menu: _with(menu, opens="tel:191"), "must do one thing"),
    "a long word": (lambda menu: _with(menu, postback=None, says=LONG), "1 to 300"),
    "long data": (lambda menu: _with(menu, postback="x" * 301), "1 to 300"),
    "another scheme": (lambda menu: _with(menu, postback=None, opens="ftp://x"), "must begin with"),
}


def _with(menu: RichMenu, **changed: object) -> RichMenu:
    first: Area = replace(menu.areas[0], **changed)
    return replace(menu, areas=(first,))


@pytest.mark.parametrize("name", WRONG)
def test_what_line_would_refuse_is_told(name: str) -> None:
    spoil, told = WRONG[name]
    found = list(problems(spoil(the_menu())))
    assert any(told in what for _, what in found), found


def test_a_misspelt_word_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rich_menu.yaml"
    path.write_text(SHIPPED.read_text(encoding="utf-8").replace("chat_bar", "chat_bra"), encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"rich_menu.yaml:\d+: chat_bra: is not a word that menus know"):
        load_rich_menu(path)


# --- the picture -----------------------------------------------------------------------------------------
def a_png(width: int, height: int) -> bytes:
    """The beginning of a PNG of that size."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def test_a_picture_is_as_large_as_the_menu(tmp_path: Path) -> None:
    path = tmp_path / "menu.png"
    path.write_bytes(a_png(2500, 1686))
    assert load_image(path, Size(2500, 1686)).content_type == "image/png"
    with pytest.raises(Refused, match="is 2500 × 1686, the menu 2500 × 843"):
        load_image(path, Size(2500, 843))


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"GIF89a", "neither PNG nor JPEG"), (b"\xff\xd8\xff" + bytes(1_000_000), "save it smaller")],
)
def test_what_is_no_picture_for_line_is_refused(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "menu.jpg"
    path.write_bytes(data)
    with pytest.raises(Refused, match=told):
        load_image(path, Size(2500, 1686))
    with pytest.raises(Refused, match="cannot be read"):
        load_image(tmp_path / "none", Size(2500, 1686))
