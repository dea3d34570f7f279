"""All peers by the name that the tables give them, ours among them."""

from __future__ import annotations

from functools import partial
from importlib import metadata

from benchmarks.peers import (
    by_hand_peer,
    celery_peer,
    dbos_peer,
    headrace_peer,
    huey_peer,
    litequeue_peer,
    persist_queue_peer,
    procrastinate_peer,
    rq_peer,
    taskiq_peer,
)
from benchmarks.peers.peer import Opened

REFERENCE = "by hand, FULL"

PEERS: dict[str, Opened] = {
    REFERENCE: partial(by_hand_peer.opened, synchronous="FULL"),
    "by hand, NORMAL": partial(by_hand_peer.opened, synchronous="NORMAL"),
    "headrace, synced": partial(headrace_peer.opened, durability="synced", many=False),
    "headrace, synced, many": partial(headrace_peer.opened, durability="synced", many=True),
    "headrace, committed": partial(headrace_peer.opened, durability="committed", many=False),
    "headrace, committed, many": partial(headrace_peer.opened, durability="committed", many=True),
    "headrace, accepted": partial(headrace_peer.opened, durability="accepted", many=False),
    "headrace, accepted, many": partial(headrace_peer.opened, durability="accepted", many=True),
    "litequeue": litequeue_peer.opened,
    "huey": huey_peer.opened,
    "persist-queue": persist_queue_peer.opened,
    "DBOS, SQLite": dbos_peer.opened,
    "taskiq, Redis everysec": partial(taskiq_peer.opened, appendfsync="everysec"),
    "taskiq, Redis always": partial(taskiq_peer.opened, appendfsync="always"),
    "Celery, Redis everysec": partial(celery_peer.opened, appendfsync="everysec"),
    "Celery, Redis always": partial(celery_peer.opened, appendfsync="always"),
    "rq, Redis everysec": partial(rq_peer.opened, appendfsync="everysec"),
    "rq, Redis always": partial(rq_peer.opened, appendfsync="always"),
    "procrastinate, PostgreSQL": procrastinate_peer.opened,
}

LIBRARIES = (
    "litequeue",
    "huey",
    "persist-queue",
    "dbos",
    "taskiq",
    "taskiq-redis",
    "celery",
    "rq",
    "redis",
    "procrastinate",
)


def versions() -> list[str]:
    """The name and version of each library that is installed."""
    told = []
    for name in LIBRARIES:
        try:
            told.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return told
