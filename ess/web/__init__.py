"""The edge: what other programs, the providers and supervisors reach over HTTP.

`app` puts it together; `reports` is the intake, `incidents` what operators do, `webhooks` LINE and Twilio,
`board` the supervisors' page, `health` what machines watch; `problems` turns errors into RFC 9457.
"""
