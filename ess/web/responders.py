"""What supervisors do about the people in the roster: link their LINE accounts, and see whom nothing reaches."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from ess import linking
from ess.store import reach
from ess.web.auth import EngineOf, Operator, Supervisor

router = APIRouter(prefix="/v1/responders", tags=["responders"])


@router.get("/unreachable")
def list_unreachable(engine: EngineOf, _: Operator) -> list[dict[str, Any]]:
    """Everybody at work who has no channel that works, or did not answer the last roll call and nothing since.

    Whoever the roll call could not ask stands there too, as `not_asked`.
    """
    with engine.store.transaction() as tx:
        return [asdict(person) for person in reach.unreached(tx)]


# A supervisor's alone: whoever hands out a code decides into whose chat alerts go.
@router.post("/{ref}/link", status_code=201)
def offer_link(engine: EngineOf, caller: Supervisor, ref: str) -> dict[str, Any]:
    """A code, good once and for 24 hours, that links the LINE account into whose chat it is typed; told only now."""
    offer = linking.offer_link(engine, ref, by=f"api:{caller.name}")
    return {"ref": ref, "name_th": offer.name_th, "code": offer.code, "expires_at": offer.expires_at.isoformat()}


@router.delete("/{ref}/link", status_code=204)
def unlink(engine: EngineOf, caller: Supervisor, ref: str) -> None:
    """No LINE account is linked to this responder any more, and a code that was handed out is withdrawn."""
    linking.unlink_responder(engine, ref, by=f"api:{caller.name}")
