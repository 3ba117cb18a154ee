"""ESS Dispatch: a report becomes an incident, and the right people are alerted until one answers for it.

Start with `ess.domain.incident`: it tells the whole life of an incident, and decides it.  Then follow a
report through the shell:

    web, conversation, workers   a report comes in (HTTP, LINE, Celery)
    inbox                        what LINE and Twilio sent is kept, then read by whom it is from:
    reporting, responding        what citizens do in the chat and by SMS; what responders answer
    dispatch                     one function for each thing that a person or the clock can do
    duties, rotas                who is on duty when, and what coordinators change about it
    callers, follow_ups          who makes a promised call; what is to be made today
    outbox, deliveries           what is to be said, to whom and how; the calls that say it
    personal                     what reporters and responders wrote, for a supervisor, each reading on record
    geo                          pin or address → province and district
    store                        the rows, which are the truth; `wake` tells the workers after commit
    channels                     LINE and Twilio, through their SDKs
    cli, embedded, simulator     the `ess` command, and all that makes it run on one machine

Beside it: `workers` (Celery tasks), `schedules` (the clock), `config` (settings, policies, texts).
"""
