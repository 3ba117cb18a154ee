"""Texts of one's own (ESS_MESSAGE_DIR), begun as a copy of the shipped ones: what is wrong is said at the start."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import HERE
from ess.conversation.texts import Texts
from ess.domain.duty import Channel
from ess.domain.errors import Misconfigured


@pytest.fixture
def own() -> dict[str, Any]:
    copied: dict[str, Any] = yaml.safe_load((HERE / "messages" / "th.yaml").read_text(encoding="utf-8"))
    return copied


def opened(folder: Path, own: dict[str, Any]) -> Texts:
    (folder / "th.yaml").write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    return Texts(folder, "th")


def test_own_words_are_said(tmp_path: Path, own: dict[str, Any]) -> None:
    own["needs"] = {"housing": "ที่อยู่อาศัย"}
    own["buttons"]["accept"] = "ไปเดี๋ยวนี้"
    own["messages"]["stood_down"]["sms"] = "ESS {code} {who} ไปแล้ว"  # as the text for LINE may say it
    texts = opened(tmp_path, own)
    assert texts.words("needs") == own["needs"]
    assert texts.word("buttons", "accept") == "ไปเดี๋ยวนี้"
    assert texts.say("stood_down", Channel.SMS, code="BCDFGH", who="สภ.").text == "ESS BCDFGH สภ. ไปแล้ว"


def test_what_would_fail_when_somebody_is_to_hear_it_is_all_named_at_the_start(
    tmp_path: Path, own: dict[str, Any]
) -> None:
    """A release has brought new texts, or somebody wrote what nobody fills in."""
    del own["messages"]["alert"]["sms"], own["tracks"], own["distance"]
    own["agencies"] = {}
    own["messages"]["stood_down"]["line"] = "{person} ไปแล้ว"
    own["arrival"] = "ประมาณ {eta"
    with pytest.raises(Misconfigured) as refused:
        opened(tmp_path, own)
    said = str(refused.value)
    assert said.startswith(str(tmp_path / "th.yaml"))
    for wrong in (
        "messages.alert.sms is missing: copy it from the shipped file",
        "tracks.police is missing",
        "distance is missing",
        "agencies has no words",
        "messages.stood_down.line has {person}, which the shipped text has not: take it out",
        "arrival cannot be filled in",
    ):
        assert wrong in said


def test_a_file_that_is_no_copy_says_how_to_begin(tmp_path: Path) -> None:
    (tmp_path / "th.yaml").write_text("nothing here", encoding="utf-8")
    with pytest.raises(Misconfigured, match="begin with a copy of the shipped file"):
        Texts(tmp_path, "th")
