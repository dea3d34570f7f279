"""One connection: what its client sends goes to hypercorn's HTTP/1.1, and the answers come back.

hypercorn's own way to do this would speak HTTP/2 with whoever asks for it, before any token is
looked at; while a request is answered and another one is there it does not see its client leave;
and it waits without end for a client that takes nothing.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import h11
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import ConnectionState

if TYPE_CHECKING:
    from hypercorn.config import Config
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import AppWrapper

HEAD_TIME = 60.0  # seconds for the head of a request, and between two requests
WRITE_TIME = 30.0  # seconds in which a client must take what is sent
AHEAD = 64 * 1024  # bytes that may come before their turn: of requests behind the one answered
SOON = 5.0  # seconds for more than that to have its turn
LARGEST_HEAD = 16 * 1024  # bytes
CHUNK = 64 * 1024  # bytes read at a time


class Connection:
    """Serves one request after another until either side has gone."""

    def __init__(
        self, stream: trio.SocketStream, app: AppWrapper, config: Config, context: WorkerContext
    ) -> None:
        self._stream = stream
        self._calls = TaskGroup()
        self._wire = _Wire(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        self._protocol = H11Protocol(
            *(app, config, context, self._calls, ConnectionState({})),
            *(False, None, None, self._hear),  # no TLS, and nobody asks for addresses
        )
        self._protocol.connection = self._wire
        self._writing = trio.Lock()
        self._open = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._deadline = inf  # to have the next request
        self._next_is_due = False  # what came before its turn has it now

    async def run(self) -> None:
        """Serve until the last request is answered; `close` is to follow."""
        async with self._calls:
            self._wait_for_request()
            with self._open:
                await self._read()
            await self._protocol.handle(Closed())

    def close(self) -> None:
        """Break it off: nothing is sent or read any more."""
        self._stream.socket.close()
        self._open.cancel()

    def close_if_idle(self) -> None:
        """Close it unless a request is being answered."""
        if self._deadline < inf:
            self.close()

    async def _read(self) -> None:
        while True:
            data = b"" if self._next_is_due else await self._receive()
            if not data and not self._next_is_due:
                return
            self._next_is_due = False
            await self._protocol.handle(RawData(data))
            if len(self._wire.trailing_data[0]) > AHEAD and not await self._has_its_turn():
                return

    async def _has_its_turn(self) -> bool:
        """Whether what came ahead can be taken now, or can soon; meanwhile nothing more is read.

        A client that has the whole answer may send a large request before hypercorn has put down
        that the answer is over.
        """
        if not self._next_is_due:
            with trio.move_on_after(SOON) as self._reading:
                await trio.sleep_forever()
        return self._next_is_due

    async def _receive(self) -> bytes:
        """What comes next; nothing at the end, when time is up, or when the next one is due."""
        with trio.CancelScope(deadline=self._deadline) as self._reading:
            try:
                return bytes(await self._stream.receive_some(CHUNK))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        return b""

    async def _hear(self, event: Event) -> None:
        """What hypercorn has to say."""
        match event:
            case RawData():
                await self._write(event.data)
            case Updated(idle=True):
                self._wait_for_request()
                if self._wire.trailing_data[0]:
                    self._next_is_due = True
                    self._reading.cancel()
            case Updated(idle=False):
                self._reading.deadline = self._deadline = inf
            case Closed():
                self.close()

    def _wait_for_request(self) -> None:
        self._reading.deadline = self._deadline = trio.current_time() + HEAD_TIME

    async def _write(self, data: bytes) -> None:
        """Send it, or break the connection off; half of it would spoil all that follows."""
        with trio.CancelScope(shield=True):
            async with self._writing:
                with trio.move_on_after(WRITE_TIME):
                    try:
                        await self._stream.send_all(data)
                        return
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        pass
                self.close()


class _Wire(h11.Connection):
    """HTTP/1.1 and nothing else: a wish for another protocol is not passed on."""

    def receive_data(self, data: bytes) -> None:
        if data:  # the end is told to hypercorn itself
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if event is h11.PAUSED:
            return h11.NEED_DATA  # or hypercorn would wait here, and nobody read
        if isinstance(event, h11.Request):
            _check(event)
            return _without_upgrade(event)
        return event


def _check(request: h11.Request) -> None:
    """What h11 lets pass. Raises RemoteProtocolError."""
    if request.http_version not in (b"1.0", b"1.1"):
        raise h11.RemoteProtocolError("another HTTP", error_status_hint=505)
    names = {name for name, _ in request.headers}
    if {b"content-length", b"transfer-encoding"} <= names:  # a proxy may believe the other one
        raise h11.RemoteProtocolError("two ways to tell a length", error_status_hint=400)
    # h11 looks at the size of a head that has not ended, but not of one that comes at once.
    size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
    if size > LARGEST_HEAD:
        raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)


def _without_upgrade(request: h11.Request) -> h11.Request:
    headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
    if len(headers) == len(request.headers):
        return request
    return h11.Request(
        method=request.method,
        target=request.target,
        headers=headers,
        http_version=request.http_version,
    )
