"""The simulator as one web application: LINE and Twilio at the root, `/sim` to steer, `/` to look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from ess.simulator.calls import call_routes
from ess.simulator.control import control_routes
from ess.simulator.ledger import Clock, utc_now
from ess.simulator.line import line_routes
from ess.simulator.line_menu import menu_routes
from ess.simulator.line_phone import LinePhones
from ess.simulator.page import page_routes
from ess.simulator.settings import SimulatorSettings, settings_from
from ess.simulator.sms_phone import SmsPhones
from ess.simulator.twilio import Refusal, twilio_routes
from ess.simulator.voice_phone import VoicePhones
from ess.simulator.world import CITIZEN, World

__all__ = ["CITIZEN", "SimulatorSettings", "create_app", "from_environment"]


def create_app(settings: SimulatorSettings, clock: Clock = utc_now) -> FastAPI:
    """A simulator in which nothing has happened yet; its state is `app.state.world`."""
    world = World(settings, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        world.twilio.forget()
        await world.edge.close()

    app = FastAPI(title="ESS simulator: LINE and Twilio", lifespan=lifespan)
    app.state.world = world

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse(refusal.body, refusal.status)

    line_phones, sms_phones, voice_phones = LinePhones(world), SmsPhones(world), VoicePhones(world)
    app.include_router(line_routes(world))
    app.include_router(menu_routes(world))
    app.include_router(twilio_routes(world, sms_phones))
    app.include_router(call_routes(world, voice_phones))
    app.include_router(control_routes(world, line_phones, sms_phones, voice_phones))
    app.include_router(page_routes(world, voice_phones))
    app.mount("/assets", StaticFiles(directory=Path(__file__).with_name("assets")), name="assets")
    return app


def from_environment() -> FastAPI:
    """The factory for `uvicorn --factory ess.simulator.app:from_environment`.

    Raises SimulatorMisconfigured naming the variables that are missing.
    """
    return create_app(settings_from())
