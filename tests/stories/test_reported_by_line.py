"""The promise that the public was made: press, pin, and somebody comes."""

from story import PHITSANULOK, Story


def test_a_report_in_line_goes_from_the_pin_to_the_promised_call(story: Story) -> None:
    station = story.station(PHITSANULOK)
    one_home = story.one_home(PHITSANULOK)
    social_worker = story.social_worker(PHITSANULOK)
    citizen = story.citizen()

    incident = citizen.reports("assault", at=PHITSANULOK)
    citizen.hears("รับเรื่องแล้ว")
    citizen.writes("081 234 5678")
    citizen.hears("บันทึกเบอร์แล้ว")

    station.hears("เหตุด่วน")
    one_home.hears("เหตุด่วน")
    incident.reaches("alerting")

    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว")
    incident.reaches("acknowledged")

    station.taps("ออกเดินทาง")
    station.hears("บันทึกแล้ว")
    station.taps("ถึงที่เกิดเหตุ")
    station.hears("บันทึกแล้ว")
    incident.reaches("on_scene")
    citizen.hears(f"{station.spoken_name} ถึงที่เกิดเหตุแล้ว")

    station.taps("ระงับเหตุแล้ว")
    station.hears("ยุติแล้ว")
    one_home.hears("ยุติแล้ว")
    incident.told("resolved")
    citizen.hears("เจ้าหน้าที่แจ้งว่ายุติแล้ว")
    citizen.taps("เรียบร้อยดี")
    citizen.hears("ขอบคุณที่บอก")

    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")
