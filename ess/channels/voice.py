"""Calls through Twilio: a responder's phone rings, a voice says what is asked, and a digit answers.

What is said is asked for by Twilio when somebody picks up (`ess.calls`), so a call carries the delivery's id and
no words.  That somebody picks up answers nothing: voicemail does so too.  Machines are told from people beside
the call, not before it, so that a person does not hear silence first, and one that is taken for a machine can
still press a digit.
https://www.twilio.com/docs/voice/api/call-resource
"""

from datetime import UTC, datetime

import requests
import structlog
from twilio.base.exceptions import TwilioRestException

from config.settings import Settings
from ess.channels.envelope import Envelope
from ess.channels.twilio_account import create, open_account

log = structlog.get_logger()


class VoiceChannel:
    """Calls from one number of one Twilio account."""

    def __init__(self, settings: Settings) -> None:
        self._client = open_account(settings)
        self._from = settings.twilio_voice_from or settings.twilio_from
        self._webhooks = f"{settings.outside_url}/webhooks/twilio"
        self._ring_s = settings.voice_ring_s

    def send(self, envelope: Envelope) -> str:
        """Twilio has queued the call: its sid."""
        if envelope.doubtful_since is not None:
            sid = self._find(envelope, envelope.doubtful_since)
            if sid is not None:
                return sid
        return create(lambda: self._create(envelope))

    def _create(self, envelope: Envelope) -> str:
        status = f"{self._webhooks}/status?delivery={envelope.id}"
        call = self._client.calls.create(
            to=envelope.to,
            from_=self._from,
            url=f"{self._webhooks}/voice?delivery={envelope.id}",
            # The first says that there is a call, also to an engine that never heard it from the API.
            status_callback=status,
            status_callback_event=["initiated", "completed"],
            timeout=self._ring_s,
            machine_detection="Enable",
            async_amd="true",
            async_amd_status_callback=status,
        )
        return str(call.sid)

    def _find(self, envelope: Envelope, since: datetime) -> str | None:
        """The sid of a call to this number since then (UTC) that belongs to no other delivery, if Twilio has one.

        Twilio keeps seconds, and no start time while a call is queued; so the newest are looked through.
        """
        try:
            recent = self._client.calls.list(to=envelope.to, limit=50)
        except (TwilioRestException, requests.RequestException) as error:
            log.warning("twilio_look_up_failed", error=type(error).__name__)
            return None
        began = since.astimezone(UTC).replace(microsecond=0)
        mine = (call for call in recent if call.date_created >= began and call.sid not in envelope.not_these)
        return next((str(call.sid) for call in mine), None)
