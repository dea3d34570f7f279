"""The statements of `direct` that the product has no use for: it knows these things in memory."""

from __future__ import annotations

from persistence import statements as sql

# The expression is `priority.sort_key` with the default weights: one point an hour.
_TURN = "ready_s / 3600.0 - priority"
READY_INDEX = f"CREATE INDEX tasks_turn ON tasks ({_TURN}, id) WHERE status = 'ready'"
_COLUMNS = sql.TASKS.partition("FROM")[0]
BEST = f"""
    {_COLUMNS} FROM tasks INDEXED BY tasks_turn WHERE status = 'ready'
    ORDER BY {_TURN}, id LIMIT ?"""
RELEASED = f"""
    {_COLUMNS} FROM tasks
    WHERE status = 'blocked'
        AND id IN (
            SELECT task FROM edges WHERE prerequisite IN (SELECT value FROM json_each(?)))
        AND NOT EXISTS (
            SELECT 1 FROM edges AS e CROSS JOIN tasks AS p ON p.id = e.prerequisite
            WHERE e.task = tasks.id AND p.status IN ('blocked', 'ready', 'running', 'scheduled'))
    ORDER BY id"""
ADD_TO_COUNTER = """
    INSERT INTO counters (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"""
