"""What can go wrong, by what the caller must do about it.

    DispatchError
    ├── Refused              the command does not apply now: tell the person what holds
    │   ├── AlreadyRecorded  the same person said the same before: nothing changed
    │   ├── AlreadyTaken     somebody else holds it: nothing changed
    │   ├── NotFound         there is no such thing
    │   └── Conflict         the same key came with another body
    ├── TransientFailure     the provider may take it later: try again
    │   └── ReplyRefused     a chat's reply token is worth nothing: try again without it
    ├── PermanentFailure     this channel will never reach this person: next channel
    │   └── ChannelDown      nobody can be reached over this channel now: next channel
    └── Misconfigured        an operator must change a setting or a file, which the text names

A bug is none of these and is never caught.  A late timer is not an error: it decides nothing.
"""

from datetime import timedelta


class DispatchError(Exception):
    """Everything the engine raises on purpose."""


class Refused(DispatchError):
    """The command does not apply in the present state; the text says what holds instead."""


class AlreadyRecorded(Refused):
    """The same answer came before; nothing changed."""


class AlreadyTaken(Refused):
    """Somebody else has accepted; `holder` is their responder id as text."""

    def __init__(self, message: str, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class NotFound(Refused):
    """There is no such incident, alert, follow-up or responder."""


class Conflict(Refused):
    """An idempotency key was used again with a different body."""


class TransientFailure(DispatchError):
    """The provider did not take the message this time, or nobody knows whether it did.

    `unknown` is true where the call may have succeeded: what follows must be idempotent or look first.
    `after` is how long to leave the provider alone, where that is known.
    """

    def __init__(self, message: str, *, unknown: bool = False, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.after = after


class ReplyRefused(TransientFailure):
    """A LINE reply token was refused, so nothing was sent with it; the message goes by push."""


class PermanentFailure(DispatchError):
    """This address cannot be reached over this channel; `code` is the provider's own."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class ChannelDown(PermanentFailure):
    """The channel is down for everyone, such as a spent monthly quota."""


class Misconfigured(DispatchError):
    """The program cannot start or go on like this; the text names the variable or the file and line."""
