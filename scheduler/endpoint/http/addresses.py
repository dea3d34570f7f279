"""Where HTTP is served, and under which names it may be asked for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

import msgspec
import trio

from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.http.refusals import PATH

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PLACE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):([0-9]{1,5})")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


class Place(msgspec.Struct, frozen=True):
    """An address to listen on; port 0 lets the system choose one."""

    address: Address
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.address.is_loopback

    def hosts(self, extra: Sequence[str] = ()) -> list[str]:
        """What the Host header may say; `extra` names without a port get this one."""
        names = [] if self.address.is_unspecified else [_written(self.address)]
        names += ["localhost"] if self.is_local else []
        names += [name for name in extra if not _has_port(name)]
        whole = [f"{name}:{self.port}" for name in names]
        return whole + (names if self.port == 80 else []) + [n for n in extra if _has_port(n)]

    def url(self) -> str:
        """The address of the endpoint."""
        return f"http://{_written(self.address)}:{self.port}{PATH}"


def read_place(text: str, *, allow_remote: bool, extra_hosts: Sequence[str]) -> Place:
    """`127.0.0.1:8787`, `[::1]:8787` or `localhost:8787` as a place.

    Raises InvalidRequest for anything else, and for one that other machines can reach unless
    they are to.
    """
    match = _PLACE.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        name = match[1].strip("[]")
        address = ipaddress.ip_address("127.0.0.1" if name == "localhost" else name)
    except ValueError:
        raise _wrong("--http", text, "127.0.0.1:8787, [::1]:8787 or localhost:8787") from None
    place = Place(address, int(match[2]))
    if place.port > 65_535:
        raise _wrong("--http", text, "a port of 0..65535")
    if not place.is_local and not allow_remote:
        raise InvalidRequest(
            "other machines could reach this address, and HTTP here is not encrypted:"
            " whoever is on the way reads the token and the tasks",
            field="--http",
            received=text,
            allowed="a loopback address such as 127.0.0.1:8787",
            hint="Keep to 127.0.0.1 and let others in through ssh or a proxy with TLS;"
            " or say --allow-remote in a network where you trust everybody.",
        )
    if address.is_unspecified and not extra_hosts:
        raise InvalidRequest(
            "an address that stands for all leaves open which Host is meant",
            field="--http",
            received=text,
            hint="Say with --allow-host under which name or address clients ask for it.",
        )
    return place


def check_names(hosts: Iterable[str], origins: Iterable[str]) -> None:
    """Raise InvalidRequest for what can never stand in a Host or an Origin header."""
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise _wrong("--allow-host", host, "a name or address, and a port unless the same")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise _wrong("--allow-origin", origin, "scheme://host or scheme://host:port, exactly")


async def listen(place: Place) -> tuple[Place, list[trio.SocketListener]]:
    """Open the place; with the port that it got. Raises InvalidRequest if it cannot be had."""
    try:
        listeners = await trio.open_tcp_listeners(place.port, host=str(place.address))
    except OSError as error:
        raise InvalidRequest(
            f"this address cannot be had: {error.strerror or type(error).__name__}",
            field="--http",
            received=f"{_written(place.address)}:{place.port}",
            hint="Another program, perhaps another `headrace serve`, may have it: choose another"
            " port, or 0 for any.",
        ) from None
    port = listeners[0].socket.getsockname()[1]
    return Place(place.address, port), listeners


def _written(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _has_port(host: str) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and match[2] is not None


def _wrong(field: str, received: str, allowed: str) -> InvalidRequest:
    return InvalidRequest(f"{field} is wrong", field=field, received=received, allowed=allowed)
