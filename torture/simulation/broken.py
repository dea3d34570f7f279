"""What a check raises when a promise does not hold."""

from __future__ import annotations


class Broken(Exception):
    """The promise `promise` ("P1") is broken: `what` says how."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise
        self.what = what
