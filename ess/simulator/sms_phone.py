"""What happens to an SMS after Twilio took it, and what a person answers."""

from xml.etree import ElementTree

from ess.simulator.edge import Answer
from ess.simulator.ledger import Kind, Provider
from ess.simulator.twilio_account import API_VERSION, FAILS_INSIDE, OPT_IN, OPT_OUT, Sms, segments
from ess.simulator.world import World

#: From here on a status does not change back, whatever callback comes late.
TERMINAL = frozenset({"delivered", "undelivered", "failed"})


class SmsPhones:
    """Every person's SMS inbox."""

    def __init__(self, world: World) -> None:
        self._world = world

    def accept(self, form: dict[str, str], error_code: int | None = None) -> Sms:
        """The message is queued; callbacks follow on their own, ending in `error_code` if there is one."""
        world, now = self._world, self._world.clock()
        sms = Sms(
            sid=world.twilio.new_sid(),
            to=form["To"],
            sender=form.get("From") or world.settings.twilio_from,
            body=form["Body"],
            direction="outbound-api",
            status="queued",
            created_at=now,
            updated_at=now,
            messaging_service_sid=form.get("MessagingServiceSid"),
            status_callback=form.get("StatusCallback"),
            validity_period=int(form.get("ValidityPeriod", 36_000)),
        )
        world.twilio.messages[sms.sid] = sms
        world.ledger.record(
            Provider.TWILIO,
            Kind.SMS,
            sms.to,
            to=sms.to,
            text=sms.body,
            status=201,
            sid=sms.sid,
            shown=error_code is None,
            detail={"segments": segments(sms.body), "validity_period_s": sms.validity_period},
        )
        world.twilio.later(self._travel(sms, error_code))
        return sms

    async def report(self, sms: Sms, status: str, error_code: int | None = None) -> Answer | None:
        """Twilio has told the edge this status, in whatever order; None where no callback was asked for."""
        world = self._world
        if sms.status not in TERMINAL:
            sms.status, sms.error_code, sms.updated_at = status, error_code, world.clock()
        answer = None
        if sms.status_callback:
            answer = await world.edge.twilio(sms.status_callback, self._callback_form(sms, status, error_code))
        world.ledger.record(
            Provider.TWILIO,
            Kind.STATUS_CALLBACK,
            sms.to,
            status=answer.status if answer else None,
            sid=sms.sid,
            detail={"message_status": status}
            | ({"error_code": error_code} if error_code else {})
            | ({"duration_ms": answer.duration_ms, "error": answer.error} if answer else {}),
        )
        return answer

    async def text(self, phone: str, text: str) -> Answer:
        """The person has sent this SMS to the number that last wrote to them."""
        world, now = self._world, self._world.clock()
        number = self._number_for(phone)
        sms = Sms(world.twilio.new_sid(), number, phone, text, "inbound", "received", now, now)
        world.twilio.messages[sms.sid] = sms
        word = text.strip().upper()
        if word in OPT_OUT:
            world.twilio.opted_out.add(phone)
        elif word in OPT_IN:
            world.twilio.opted_out.discard(phone)
        world.ledger.record(Provider.TWILIO, Kind.INBOUND, phone, text=text, sid=sms.sid, shown=True)
        form = {
            "ToCountry": "US",
            "SmsMessageSid": sms.sid,
            "NumMedia": "0",
            "SmsSid": sms.sid,
            "SmsStatus": "received",
            "FromCountry": "TH",
            "Body": text,
            "To": number,
            "NumSegments": str(segments(text)),
            "MessageSid": sms.sid,
            "AccountSid": world.twilio.sid,
            "From": phone,
            "ApiVersion": API_VERSION,
        }
        answer = await world.edge.twilio(f"{world.settings.public_url}/webhooks/twilio/sms", form)
        world.ledger.record(
            Provider.TWILIO,
            Kind.WEBHOOK,
            phone,
            status=answer.status,
            sid=sms.sid,
            detail={"duration_ms": answer.duration_ms, "error": answer.error, "type": "sms"},
        )
        if answer.status == 200:
            for body in _twiml_messages(answer.body):
                self.accept({"To": phone, "From": number, "Body": body})
        return answer

    async def _travel(self, sms: Sms, error_code: int | None) -> None:
        steps: list[tuple[str, int | None]] = [("queued", None)]
        if error_code in FAILS_INSIDE:
            steps += [("failed", error_code)]
        elif error_code is not None:
            steps += [("sent", None), ("undelivered", error_code)]
        else:
            steps += [("sent", None), ("delivered", None)]
        for status, code in steps:
            await self.report(sms, status, code)

    def _callback_form(self, sms: Sms, status: str, error_code: int | None) -> dict[str, str]:
        form = {
            "SmsSid": sms.sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": sms.to,
            "MessageSid": sms.sid,
            "AccountSid": self._world.twilio.sid,
            "From": sms.sender,
            "ApiVersion": API_VERSION,
        }
        if sms.messaging_service_sid:
            form["MessagingServiceSid"] = sms.messaging_service_sid
        if error_code:
            form["ErrorCode"] = str(error_code)
        if status in {"delivered", "undelivered"}:
            form["RawDlrDoneDate"] = self._world.clock().strftime("%y%m%d%H%M")
        return form

    def _number_for(self, phone: str) -> str:
        sent = [sms for sms in self._world.twilio.messages.values() if sms.to == phone and sms.sender]
        return sent[-1].sender if sent else self._world.settings.twilio_from


def _twiml_messages(body: str) -> list[str]:
    """The texts that the edge's TwiML answer asks to send back; empty where it asks for none."""
    if "<Message" not in body:
        return []
    answer = ElementTree.fromstring(body)  # noqa: S314 - written by our own edge, on loopback
    return ["".join(message.itertext()).strip() for message in answer.iter("Message")]
