"""A responder's LINE account is linked by a code that the supervisor hands out, typed into the chat, once."""

import httpx
from story import KHON_KAEN, SMS_ONLY, Citizen, Responder, Story
from test_follow_up import resolved

from ess.domain.duty import Channel
from ess.store.keys import KeyRole

REFUSED = "รหัสผูกบัญชีนี้ใช้ไม่ได้"
WRONG = "LINK-BCDFG-23456"


def asks_for_a_code(story: Story, responder: Responder, role: KeyRole = KeyRole.SUPERVISOR) -> httpx.Response:
    """By API, as the supervisor's own program does."""
    return story.post(f"/v1/responders/{responder.ref}/link", {}, role)


def a_code(story: Story, responder: Responder) -> str:
    """As it is handed out."""
    answer = asks_for_a_code(story, responder)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def links(story: Story, responder: Responder, account: Citizen) -> None:
    """The code is typed into the chat of that account."""
    account.writes(a_code(story, responder))
    account.hears(f"ผูกบัญชี LINE นี้กับ “{responder.spoken_name}” แล้ว")


def types_a_code_that_links_nobody(account: Citizen, code: str) -> None:
    """What is no responder's is a citizen's, whatever they typed."""
    account.writes(code)
    account.hears(REFUSED)
    account.hears("กด “แจ้งเหตุด่วน”")


def test_a_code_that_is_typed_into_the_chat_brings_the_alerts_there(story: Story) -> None:
    station, account = story.station(KHON_KAEN, SMS_ONLY), story.citizen()
    story.care_team(KHON_KAEN)
    code = a_code(story, station)
    account.writes(code.lower().replace("-", " "))  # as a phone's keyboard makes it
    account.hears(f"ผูกบัญชี LINE นี้กับ “{station.spoken_name}” แล้ว")

    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    account.hears("เหตุด่วน")
    account.taps("รับทราบ")
    account.hears("บันทึกแล้ว")
    assert incident.told("accepted")["via"] == "line"
    assert incident.holder() == station.ref
    assert station.messages() == [], "no SMS beside it"


def test_a_code_links_one_account_once(story: Story) -> None:
    station, account, thief = story.station(KHON_KAEN, SMS_ONLY), story.citizen(), story.citizen()
    code = a_code(story, station)
    account.writes(code)
    account.hears("ผูกบัญชี LINE นี้กับ")
    types_a_code_that_links_nobody(thief, code)
    account.writes(code)
    account.hears(REFUSED)


def test_a_code_is_good_for_a_day_and_until_the_next_one_is_handed_out(story: Story) -> None:
    station, account = story.station(KHON_KAEN, SMS_ONLY), story.citizen()
    first, second = a_code(story, station), a_code(story, station)
    types_a_code_that_links_nobody(account, first)
    story.deployment.count(
        "WITH later AS (UPDATE link_code SET expires_at = now() WHERE used_at IS NULL RETURNING 1)"
        " SELECT count(*) FROM later"
    )
    types_a_code_that_links_nobody(account, second)
    links(story, station, account)


def test_who_guesses_is_stopped_even_with_the_right_code(story: Story) -> None:
    station, thief, account = story.station(KHON_KAEN, SMS_ONLY), story.citizen(), story.citizen()
    code = a_code(story, station)
    for _ in range(5):
        types_a_code_that_links_nobody(thief, WRONG)
    thief.writes(code)
    thief.hears("พิมพ์รหัสผูกบัญชีหลายครั้งเกินไป")
    thief.hears("กด “แจ้งเหตุด่วน”")

    account.writes(code)
    account.hears("ผูกบัญชี LINE นี้กับ")


def test_another_account_takes_over_and_the_one_before_is_told(story: Story) -> None:
    station, before, account = story.station(KHON_KAEN, SMS_ONLY), story.citizen(), story.citizen()
    story.care_team(KHON_KAEN)
    links(story, station, before)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    before.hears("เหตุด่วน")

    links(story, station, account)
    before.hears(f"บัญชี LINE นี้ไม่ได้ผูกกับ “{station.spoken_name}” แล้ว")
    account.hears("เหตุด่วน")  # what waited for an answer there waits here
    before.taps("รับทราบ")
    story.deployment.settle()
    assert not incident.facts("accepted"), "whoever has the old phone answers for nobody"
    account.taps("รับทราบ")
    account.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")


def test_a_call_to_make_goes_to_the_account_that_takes_over(story: Story) -> None:
    social_worker, account = story.social_worker(KHON_KAEN), story.citizen()
    incident = resolved(story, "assault", KHON_KAEN)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    links(story, social_worker, account)
    social_worker.hears("บัญชี LINE นี้ไม่ได้ผูกกับ")
    account.hears("ขอให้โทรติดตามผู้เสียหาย")
    account.taps("ติดต่อได้แล้ว")
    account.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")


def test_who_unlinks_is_asked_back_and_then_hears_of_alerts_by_sms(story: Story) -> None:
    station, account, stranger = story.station(KHON_KAEN, SMS_ONLY), story.citizen(), story.citizen()
    story.care_team(KHON_KAEN)
    links(story, station, account)
    account.writes("ยกเลิกการผูกค่ะ")
    account.hears("ยืนยันว่าจะยกเลิก")
    stranger.presses(f"unlink={station.row_id}")
    stranger.hears("ไม่ได้ผูกไว้แล้ว")
    account.taps("ยืนยันยกเลิกการผูก")
    account.hears(f"ยกเลิกการผูกบัญชี LINE นี้กับ “{station.spoken_name}” แล้ว")

    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    station.hears(incident.code, by=Channel.SMS)


def test_a_supervisor_unlinks_a_lost_phone_and_hears_whom_nothing_reaches_then(story: Story) -> None:
    station, supervisor = story.station(KHON_KAEN), story.supervisor()
    code = a_code(story, station)
    bearer = story.deployment.bearer(KeyRole.SUPERVISOR)
    answer = story.deployment.http.delete(f"/v1/responders/{station.ref}/link", headers=bearer)
    assert answer.status_code == 204, answer.text
    station.hears("ยกเลิกการผูกบัญชี LINE นี้")
    supervisor.hears(f"{station.spoken_name} ยกเลิกการผูกบัญชี LINE และไม่มีช่องทางอื่น")
    assert [each["ref"] for each in story.deployment.get("/v1/responders/unreachable")] == [station.ref]
    station.writes(code)
    station.hears(REFUSED)
    station.hears("กด “แจ้งเหตุด่วน”")


def test_an_operator_does_not_say_into_whose_chat_alerts_go(story: Story) -> None:
    station = story.station(KHON_KAEN)
    assert asks_for_a_code(story, station, KeyRole.OPERATOR).status_code == 403
    bearer = story.deployment.bearer(KeyRole.OPERATOR)
    answer = story.deployment.http.delete(f"/v1/responders/{station.ref}/link", headers=bearer)
    assert answer.status_code == 403
