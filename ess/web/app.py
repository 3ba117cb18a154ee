"""The web edge, put together: `uvicorn --factory ess.web.app:create_app`."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from config.settings import HERE, Settings
from ess.engine import open_engine
from ess.geo.in_force import Follower
from ess.logs import configure
from ess.web import (
    answers,
    auth,
    board,
    entrance,
    follow_ups,
    health,
    incidents,
    operations,
    problems,
    reference,
    reports,
    responders,
    webhooks,
)


def create_app() -> FastAPI:
    """The app with its engine open; Misconfigured at start where something is missing."""
    settings = Settings()
    configure(settings.log_level)
    engine = open_engine(settings, pool_size=20)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        threading.Thread(target=Follower(engine.store).run, args=(stop,), name="outlines", daemon=True).start()
        yield
        stop.set()
        engine.store.close()

    app = FastAPI(
        title="ESS Dispatch",
        description="A report becomes an incident, and the right people are alerted until one answers for it.",
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,  # drawn here: ess/web/reference.py
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.keys = auth.KeyRing()
    app.state.guesses = answers.Guesses()
    app.state.broker = health.broker(settings)
    app.add_middleware(problems.BodyLimit)
    problems.install(app)
    for router in (
        *(reports.router, incidents.router, responders.router),
        *(webhooks.router, answers.router, reference.router, health.router, entrance.router),
        # the page of follow-ups before the board's, which takes any other word for an incident's code
        *(follow_ups.router, board.router, operations.router),
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE.parent / "ess" / "web" / "static"), name="static")
    return app
