"""Two releases run side by side for a while: neither drops what the other sends."""

from uuid import uuid4

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from celery import Celery
from sqlalchemy import inspect
from sqlmodel import SQLModel, select
from stack import Deployment
from story import UBON_RATCHATHANI, Story

from ess.store import tables

#: Every message that release 0.1.0 publishes, as it stands on the broker.  Never change a line: add one.
SHAPES_OF_0_1_0 = {
    "handle": ("ess.handle_inbound", "intake"),
    "locate": ("ess.locate_incident", "dispatch"),
    "select": ("ess.select_responders", "dispatch"),
    "acknowledge": ("ess.fire_deadline", "dispatch"),
    "arrive": ("ess.fire_deadline", "dispatch"),
    "depart": ("ess.fire_deadline", "dispatch"),
    "back_up": ("ess.fire_deadline", "dispatch"),
    "send": ("ess.send_delivery", "notify"),
    "send_later": ("ess.send_delivery", "notify"),
    "open_follow_ups": ("ess.open_follow_ups", "followup"),
    "follow_up": ("ess.fire_deadline", "followup"),
    "roll_call": ("ess.roll_call", "followup"),
}


def test_tasks_of_the_release_before_are_understood(story: Story) -> None:
    """With the clock dead and Redis emptied, only messages written out here move two incidents on."""
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    deployment = story.deployment
    deployment.clock.kill()
    for worker in deployment.workers:
        worker.kill()
    incidents = [story.citizen(line=False).reports_by_api("assault", at=UBON_RATCHATHANI) for _ in range(2)]
    deployment.broker.flushall()
    for worker in deployment.workers:
        worker.start()
    with Celery(broker=deployment.services.broker_url, set_as_current=False) as publisher:
        for incident, more in zip(incidents, ({}, {"v": 2, "hint": "of a later release"}), strict=True):
            due = "SELECT id FROM deadline WHERE incident_id = :id AND kind = 'locate'"
            task, queue = SHAPES_OF_0_1_0["locate"]
            kwargs = {"deadline_id": deployment.count(due, id=incident.id), **more}
            publisher.send_task(task, kwargs=kwargs, queue=queue)
    for incident in incidents:
        incident.told("located")
        station.hears(incident.code)
    deployment.mend()  # else what other stories left to come due is never done


def test_this_release_still_publishes_to_the_names_and_queues_of_the_one_before() -> None:
    from ess.wake import TASKS  # noqa: PLC0415

    assert SHAPES_OF_0_1_0.items() <= TASKS.items()


def test_a_report_by_task_with_a_field_of_a_later_release_is_dispatched(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    report = story.citizen().report("assault", UBON_RATCHATHANI) | {"idempotency_key": str(uuid4()), "mood": "calm"}
    report["location"] = {**report["location"], "floor": 3}
    with Celery(broker=story.deployment.services.broker_url, set_as_current=False) as intake:
        intake.send_task("ess.accept_report", kwargs={"report": report}, queue="intake")
    station.hears(story.new_incident().code)


def test_the_migrations_make_the_schema_that_the_code_describes(deployment: Deployment) -> None:
    with deployment.store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_what_the_next_migration_drops_may_be_empty_and_is_named_in_no_statement() -> None:
    """So the release before still reads and writes it, and this one still runs once it is gone."""
    left = [
        column
        for mapper in inspect(tables.Incident).registry.mappers
        for column in mapper.local_table.c
        if column not in set(mapper.columns)
    ]
    assert {str(column) for column in left} == {"incident.grade", "follow_up.details"}
    assert all(column.nullable for column in left)
    for table in (tables.Incident, tables.FollowUp):
        assert not [column for column in left if str(column) in str(select(table))]
