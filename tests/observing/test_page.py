"""docs/observability.md names what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from scheduler.domain import events
from scheduler.telemetry import conventions, logs

PAGE = (Path(__file__).parent.parent.parent / "docs" / "observability.md").read_text()
PUBLIC = dict(
    inspect.getmembers(events, lambda it: inspect.isclass(it) and issubclass(it, events.Event))
)
BASES = {"Event", "TaskEvent", "AttemptEvent"}


def test_every_event_is_in_the_table_with_its_kind() -> None:
    """And in the tree that the module draws."""
    for name, event in PUBLIC.items():
        assert name in (events.__doc__ or ""), name
        if name not in BASES:
            row = next(
                row for row in PAGE.splitlines() if row.startswith("|") and f"`{name}`" in row
            )
            assert f"`{event.kind}`" in row


def test_kinds_are_unique() -> None:
    """A name for logs and metrics."""
    kinds = [event.kind for name, event in PUBLIC.items() if name not in BASES]
    assert len(set(kinds)) == len(kinds) == len(PUBLIC) - len(BASES)


def test_every_logger_is_in_the_table() -> None:
    """With the one for callbacks."""
    for logger in (*(logger.name for logger in logs.LOGGERS), "headrace.events"):
        assert re.search(rf"^\| `{logger}` \|", PAGE, re.MULTILINE), logger


def test_every_attribute_and_metric_is_in_a_table() -> None:
    """As it is called."""
    for constant, name in vars(conventions).items():
        if constant.isupper() and isinstance(name, str) and "." in name:
            short = name.removeprefix("messaging.operation")
            assert f"`{name}`" in PAGE or f"`{short}`" in PAGE, name
