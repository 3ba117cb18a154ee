"""SMS through Twilio.

Creating a message has no idempotency key, so what has an unknown outcome is looked up before it is sent
again; where Twilio cannot say, it is sent, because a double is better than silence.
https://www.twilio.com/docs/messaging/api/message-resource
"""

from datetime import UTC, datetime, timedelta

import requests
import structlog
from twilio.base.exceptions import TwilioRestException

from config.settings import Settings
from ess.channels.envelope import Envelope, Status
from ess.channels.twilio_account import create, open_account, translating

log = structlog.get_logger()

#: Twilio's clock may be behind the database's.
_SKEW = timedelta(minutes=1)


class SmsChannel:
    """Messages from one sender of one Twilio account."""

    def __init__(self, settings: Settings) -> None:
        self._client = open_account(settings)
        self._from = settings.twilio_from
        self._callback = f"{settings.outside_url}/webhooks/twilio/status"

    def send(self, envelope: Envelope) -> str:
        """Twilio has queued it: its sid."""
        if envelope.doubtful_since is not None:
            sid = self._find(envelope, envelope.doubtful_since)
            if sid is not None:
                return sid
        return create(lambda: self._create(envelope))

    def status_of(self, sid: str) -> Status:
        """What became of a message; TransientFailure or PermanentFailure where Twilio does not say."""
        with translating():
            message = self._client.messages(sid).fetch()
        return Status(str(message.status), str(message.error_code) if message.error_code else None)

    def _create(self, envelope: Envelope) -> str:
        message = self._client.messages.create(
            to=envelope.to,
            from_=self._from,
            body="\n".join(message.text for message in envelope.messages),
            status_callback=self._callback,
            # The default is ten hours; a message later than its step is worse than none.
            validity_period=max(1, min(36_000, envelope.valid_for_s)),
        )
        return str(message.sid)

    def _find(self, envelope: Envelope, since: datetime) -> str | None:
        """The sid of this very message to this number since then (UTC), if Twilio says that it has it."""
        body = "\n".join(message.text for message in envelope.messages)
        try:
            recent = self._client.messages.list(to=envelope.to, date_sent_after=since.astimezone(UTC) - _SKEW, limit=50)
        except (TwilioRestException, requests.RequestException) as error:
            log.warning("twilio_look_up_failed", error=type(error).__name__)
            return None
        # The same words may have been said to them before.
        ours = (str(message.sid) for message in recent if message.body == body)
        return next((sid for sid in ours if sid not in envelope.not_these), None)
