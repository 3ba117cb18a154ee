"""Who speaks for LINE: what the web edge takes for signed is what LINE's own SDK takes for signed."""

from hypothesis import given
from hypothesis import strategies as st
from linebot.v3.webhook import SignatureValidator

from ess.simulator.edge import line_signature
from ess.web.webhooks import is_signed_by_line

SECRET = "0123456789abcdef0123456789abcdef"


@given(sent=st.text(), heard=st.text(), secret=st.sampled_from([SECRET, "another secret"]))
def test_the_edge_and_the_sdk_agree(sent: str, heard: str, secret: str) -> None:
    signature = line_signature(secret, sent.encode())
    for body in (sent, heard):
        by_sdk = SignatureValidator(SECRET).validate(body, signature)  # type: ignore[no-untyped-call]
        assert is_signed_by_line(body.encode(), signature, SECRET) == by_sdk == (body == sent and secret == SECRET)


@given(signature=st.text())
def test_whatever_stands_in_the_header_is_no_signature(signature: str) -> None:
    assert not is_signed_by_line(b"{}", signature, SECRET)
