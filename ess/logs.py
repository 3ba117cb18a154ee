"""Logs: one JSON object a line, and nothing personal in it even where somebody forgot.

Codes and ids are what a log needs.  The masking processor is the second line of defence, not the first.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PHONE = re.compile(r"(?<![\w-])\+?\d[\d -]{7,14}\d(?![\w-])")
_LINE_ID = re.compile(r"\bU[0-9a-f]{32}\b")
_DEGREES = re.compile(r"(?<![\d.])\d{1,3}\.\d{4,}")
_PERSONAL = frozenset(
    {"phone", "name", "address", "latitude", "longitude", "description", "body", "to", "text", "token"}
)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what looks like a phone, a LINE id or a coordinate, and whatever stands under a personal name."""
    for key, value in event.items():
        if key in _PERSONAL:
            event[key] = "…"
        elif isinstance(value, str) and key not in {"timestamp", "event_id"}:
            event[key] = _DEGREES.sub("…", _LINE_ID.sub("U…", _PHONE.sub("…", value)))
    return event


def configure(level: str) -> None:
    """All logging of the process, libraries included, goes to stderr as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # These say too much: URLs of webhooks, bodies of requests.
    for name in ("httpx", "httpcore", "urllib3", "geopy", "twilio.http_client", "linebot", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # "Task … received" and "succeeded" for each task: the timeline and Flower tell it better.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
