"""What people say to the engine and hear from it, in LINE and SMS, in Thai and English.

`texts` are the words (data in `config/messages`), `letters` composes them for an incident, `citizen` is
the three steps of a report, `answer` is what a responder says back, `event` reads what LINE sends.
All pure but the reading of the files.
"""
