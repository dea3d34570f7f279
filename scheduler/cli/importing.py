"""Imports that take long, made a tenth shorter."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """For imports: they make a lot and leave no rubbish, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # so that no later collection walks through it either
        gc.enable()
