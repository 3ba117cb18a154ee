"""LINE and Twilio through their own SDKs, behind one small interface.

`envelope` is what is said to whom, `line` and `sms` say it, `senders` opens them.  Each sends one envelope and
either returns the provider's reference or raises what the caller must do: `TransientFailure` (again later),
`PermanentFailure` (the next channel), `ChannelDown` (the next channel, for everyone).

The SDKs take most of a second to import, so only who sends imports `senders`.
"""
