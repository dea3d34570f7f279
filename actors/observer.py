"""Tells those who listen what has happened: outside the actors, after the commit that holds it.

The persister addresses it; the loops call it at once, before they let anybody run who waited for
the same commit. So whoever has an answer finds that its events have been told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from signal import SIGINT, raise_signal
from threading import Lock
from typing import Any

from trio.lowlevel import disable_ki_protection

from scheduler.domain.events import Event

log = logging.getLogger("headrace.events")

Callback = Callable[[Event], object]
Carry = Callable[[Callable[[], None]], object]

TROUBLES = frozenset({"expired", "store_down", "store_up"})
SLOW = 0.1  # seconds that a listener may take of the loop before it is reported
SAY_AGAIN = 60.0  # seconds until the same listener is reported once more


class Listener:
    """A callback that is told events, until `stop` or the end of its `with` block.

        with scheduler.on_event(print):
            ...

    `name` is that of the callback. A callback that raises is logged, and told on.
    """

    def __init__(
        self, callback: Callback, observer: Observer, troubles_only: bool, carry: Carry | None
    ) -> None:
        self.name = name_of(callback)
        self.troubles_only = troubles_only
        self._callback = callback
        self._observer = observer
        self._carry = carry
        self._stopped = False
        self._silent_until = 0.0

    def stop(self) -> None:
        """Tell no more. May be called twice, in any thread."""
        self._stopped = True
        self._observer.remove(self)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def hear(self, events: Sequence[Event], timer: Callable[[], float]) -> None:
        """Have the callback told, here or where its program runs."""
        if self._carry is None:
            self._tell(events, timer)
        else:
            self._carry(partial(self._tell, events, timer))

    def _tell(self, events: Sequence[Event], timer: Callable[[], float]) -> None:
        """Call back once for each event; report what goes wrong."""
        began = timer()
        for event in events:
            if self._stopped:
                return
            try:
                self._call(event)
            except Exception:
                log.warning("%s raised at %s", self.name, event.kind, exc_info=True)
            except KeyboardInterrupt:
                if self._carry is not None:
                    raise
                log.warning("%s was interrupted at %s", self.name, event.kind, exc_info=True)
                raise_signal(SIGINT)  # for the program, once the handler of the actor has ended
        now = timer()
        if now - began > SLOW and now > self._silent_until:
            self._silent_until = now + SAY_AGAIN
            log.warning("%s held up the loop for %.0f ms", self.name, 1e3 * (now - began))

    @disable_ki_protection  # or else nothing would end a callback that never returns
    def _call(self, event: Event) -> None:
        self._callback(event)


class Observer:
    """Who listens. `timer` (seconds) measures how long the listeners take.

    `hears_all`: somebody wants every event; otherwise only troubles are told.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self.hears_all = False
        self._timer = timer
        self._listeners: tuple[Listener, ...] = ()
        self._lock = Lock()  # programs in other threads come and go as well

    def add(
        self, callback: Callback, *, troubles_only: bool = False, carry: Carry | None = None
    ) -> Listener:
        """Let `callback` be told from now on: every event, or troubles only.

        `carry` takes a call to the loop in which the callback is to run.
        """
        listener = Listener(callback, self, troubles_only, carry)
        with self._lock:
            self._set((*self._listeners, listener))
        return listener

    def remove(self, listener: Listener) -> None:
        """Tell it no more."""
        with self._lock:
            self._set(tuple(other for other in self._listeners if other is not listener))

    def _set(self, listeners: tuple[Listener, ...]) -> None:
        self._listeners = listeners  # a new one: a listener may stop itself while it is told
        self.hears_all = any(not listener.troubles_only for listener in listeners)

    def tell(self, events: Sequence[Event]) -> None:
        """Tell everyone, in order."""
        troubles = [event for event in events if event.kind in TROUBLES]
        for listener in self._listeners:
            heard = troubles if listener.troubles_only else events
            if heard:
                listener.hear(heard, self._timer)


def name_of(callback: Any) -> str:
    """What a callback is called in a log."""
    callback = getattr(callback, "func", callback)  # of a functools.partial
    name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
    return f"{getattr(callback, '__module__', '?')}.{name}"
