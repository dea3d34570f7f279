"""What a check raises when a promise does not hold."""

from __future__ import annotations


class Broken(Exception):  # noqa: N818 - an error is named after what it says
    """The promise `promise` ("P1") is broken: `what` says how."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise
        self.what = what
