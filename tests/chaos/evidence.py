"""What is left of a run, and all that it is judged by: the simulator's ledger, the rows, and what was promised."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import SQLModel, col, select
from stack import Deployment

from chaos.breaker import Disturbance
from chaos.phones import Promises
from ess.store import tables

Row = TypeVar("Row", bound=SQLModel)
Entry = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Plain data; nothing in it changes any more."""

    #: The database's clock when the rows were read (UTC).
    at: datetime
    ledger: Sequence[Entry]
    policies: Sequence[tables.Policy]
    incidents: Sequence[tables.Incident]
    reports: Sequence[tables.Report]
    responders: Sequence[tables.Responder]
    alerts: Sequence[tables.Alert]
    deliveries: Sequence[tables.Delivery]
    deadlines: Sequence[tables.Deadline]
    #: In the order in which they were written.
    facts: Sequence[tables.Fact]
    inbound: Sequence[tables.Inbound]
    promises: Promises = field(default_factory=Promises)
    disturbances: Sequence[Disturbance] = ()
    #: What went wrong that no row tells: programs that ended by themselves, calls that were answered wrongly.
    mishaps: Sequence[str] = ()

    @cached_property
    def incident_of(self) -> dict[UUID, tables.Incident]:
        """Incidents by id."""
        return {incident.id: incident for incident in self.incidents}

    @cached_property
    def responder_of(self) -> dict[UUID, tables.Responder]:
        """The roster by id."""
        return {responder.id: responder for responder in self.responders}

    @cached_property
    def policy_of(self) -> dict[str, dict[str, Any]]:
        """Policies, as they are written down, by id."""
        return {policy.id: policy.body for policy in self.policies}

    @cached_property
    def timeline_of(self) -> dict[UUID, list[tables.Fact]]:
        """Facts by incident, oldest first."""
        found: defaultdict[UUID, list[tables.Fact]] = defaultdict(list)
        for fact in self.facts:
            found[fact.incident_id].append(fact)
        return found

    def told(self, *names: str) -> Iterator[tables.Fact]:
        """Facts of these names, in the order in which they were written."""
        return (fact for fact in self.facts if fact.fact in names)

    def acknowledging_roles(self, incident: tables.Incident, track: str) -> set[str]:
        """Whose acceptance stops this track."""
        tracks = self.policy_of[incident.policy_id]["tracks"]
        return set(next(found["acknowledged_by"] for found in tracks if found["name"] == track))


def collect(
    deployment: Deployment, promises: Promises, disturbances: Sequence[Disturbance], mishaps: Sequence[str]
) -> Evidence:
    """All of it as it stands now."""
    with deployment.store.transaction() as tx:

        def rows(table: type[Row], order: Any = None) -> list[Row]:
            return list(tx.session.exec(select(table).order_by(order)))

        return Evidence(
            at=tx.now,
            policies=rows(tables.Policy),
            incidents=rows(tables.Incident, col(tables.Incident.received_at)),
            reports=rows(tables.Report),
            responders=rows(tables.Responder),
            alerts=rows(tables.Alert, col(tables.Alert.created_at)),
            deliveries=rows(tables.Delivery, col(tables.Delivery.created_at)),
            deadlines=rows(tables.Deadline),
            facts=rows(tables.Fact, col(tables.Fact.id)),
            inbound=rows(tables.Inbound),
            ledger=deployment.sim.get("/sim/ledger").json(),
            promises=promises,
            disturbances=sorted(disturbances, key=lambda disturbance: disturbance.began_at),
            mishaps=mishaps,
        )
