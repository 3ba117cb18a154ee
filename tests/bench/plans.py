"""What the database does for a query: the clock's own statements, explained as they are sent."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event, text
from world import World

from ess.store import Transaction

#: Something that is read in one transaction.
Question = Callable[[Transaction], object]


def timed(world: World, ask: Question, n: int, before: str = "") -> list[float]:
    """How long the question took each time, in seconds; nothing of it stays.

    `before` is executed first in each transaction, and not timed.
    """
    took = []
    for _ in range(n):
        with world.store.transaction() as tx:
            if before:
                tx.session.execute(text(before))
            _ = tx.now  # a connection is taken, and the database's clock read, before the time runs
            began = time.perf_counter()
            ask(tx)
            took.append(time.perf_counter() - began)
            tx.session.rollback()
    return took


def explained(world: World, ask: Question) -> list[dict[str, Any]]:
    """The plans of all statements of the question, with times and buffers; nothing of it stays."""
    sent: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    with world.store.transaction() as tx:
        _ = tx.now
        connection = tx.session.connection()
        event.listen(connection, "before_cursor_execute", keep)
        ask(tx)
        event.remove(connection, "before_cursor_execute", keep)
        tx.session.rollback()
        connection = tx.session.connection()
        plans = []
        for statement, parameters in sent:
            cursor = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            plans.append({"statement": statement.strip(), "plan": cursor.scalar_one()[0]})
        tx.session.rollback()
    return plans


def nodes(plan: dict[str, Any]) -> list[str]:
    """The kinds of its nodes that read a table, with the index that they use."""

    def walk(node: dict[str, Any]) -> list[str]:
        name = node["Node Type"] + (f" {node['Index Name']}" if "Index Name" in node else "")
        below = [found for child in node.get("Plans", []) for found in walk(child)]
        return [*([name] if "Scan" in node["Node Type"] else []), *below]

    return walk(plan["Plan"])
