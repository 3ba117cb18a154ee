"""What we send to LINE is what its SDK would have made of the same models."""

from uuid import uuid4

import pytest
from linebot.v3.messaging import ApiClient, Configuration, PushMessageRequest

from ess.channels.envelope import Button, Envelope, Message, Press
from ess.channels.line import _Client, _messages

BUTTONS = (
    Button("รับทราบ", "do=accept", Press.POSTBACK),
    Button("แผนที่", "https://maps.example/?q=13.75,100.50", Press.OPEN_LINK),
)


@pytest.mark.parametrize(
    "message",
    [
        Message("ได้รับแจ้งแล้ว"),
        Message("ท่านอยู่ที่ใด", (Button("ส่งตำแหน่ง", "", Press.SHARE_LOCATION),)),
        Message("เหตุด่วน\n\nสถานที่\nอ.เมือง จ.พิษณุโลก 😀\n\nรหัส ABCDEF", BUTTONS, None, "เหตุด่วน"),
        Message("ได้รับแจ้งแล้ว", BUTTONS, "ต้องการให้ติดต่อกลับหรือไม่", None, BUTTONS),
    ],
    ids=["text", "quick replies", "card", "text and card"],
)
def test_a_message_is_the_json_that_the_sdk_makes_of_it(message: Message) -> None:
    configuration = Configuration(access_token="any")
    envelope = Envelope(uuid4(), "U" + "a" * 32, (message,), valid_for_s=60)
    for silent in (False, True):
        request = PushMessageRequest(to=envelope.to, messages=_messages(envelope), notification_disabled=silent)
        made = _Client(configuration).sanitize_for_serialization(request)
        assert made == ApiClient(configuration).sanitize_for_serialization(request)
        assert made["messages"]
        assert "None" not in str(made)
