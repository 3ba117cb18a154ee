"""The weekly roll call begins when it is time; everything after that is a deadline like any other."""

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ess import roll_call
from ess.engine import Engine

log = structlog.get_logger()

_LOOK_EVERY_S = 20.0


def run(stop: threading.Event, engine: Engine, weekly: str) -> None:
    """Begin it when it is time, until told to stop; of several clocks one does."""
    while not stop.wait(_LOOK_EVERY_S):
        try:
            if roll_call.begin_when_due(engine, weekly):
                log.info("roll_call_begun")
        except SQLAlchemyError as error:
            log.warning("database_unreachable", error=type(error).__name__)
        except Exception:
            log.exception("roll_call_failed")  # a bug here must not end the roll calls to come
