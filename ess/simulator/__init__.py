"""Doubles of LINE and Twilio that speak their real HTTP, with a ledger, faults and a page of phones.

The real SDKs work against it by base URL alone, so demo, stories and chaos runs exercise the same
channel code as production.  Read `app` first, then `line` and `twilio` (what the providers answer),
`line_phone` and `sms_phone` (what people do), `control` (the `/sim` API) and `page` (the phones).

Nothing here imports from the rest of `ess`: a double that shares code with what it checks proves little.
State lives in memory and ends with the process.
"""
