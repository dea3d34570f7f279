"""Commands and answers as JSON between processes.

What a command looks like on the wire is derived from its class: its fields but for the reply,
and but for those with defaults, which the actors add themselves. JSON has no infinity: null
stands for it. Any change of a shape needs another PROTOCOL: the two ends may be of different
versions, and must notice it.
"""

from __future__ import annotations

from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, Union, cast, get_args, get_type_hints

import msgspec

from actors import commands as c
from actors.reply import Reply
from scheduler.domain.errors import SchedulerError, from_dict
from scheduler.domain.plan import Batches
from scheduler.domain.views import Ended

PROTOCOL = 1

COMMANDS: tuple[type[c.Message], ...] = (*get_args(c.Others), c.Enqueue)


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first message of whoever connects."""

    protocol: int
    version: str


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The owner's answer."""

    protocol: int
    version: str
    pid: int
    sources: dict[str, float]


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Are you there?"""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """I am."""


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """Nobody waits for the answer to call `n` any more."""

    n: int


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """The caller has the claims that answered call `n`: they are its own now."""

    n: int


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The value of call `n`, in the form that its command says."""

    n: int
    value: msgspec.Raw


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The error of call `n`; of the connection as such if it is 0."""

    n: int
    error: dict[str, Any]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the outcomes of a `complete`: how a claim ended, or an error."""

    ended: Ended | None = None
    error: dict[str, Any] | None = None


def _fields_of(kind: type[c.Message]) -> tuple[str, ...]:
    own = [field for field in msgspec.structs.fields(kind) if field.required]
    return tuple(field.name for field in own if field.name != "reply")


def _wire_type(kind: type[c.Message]) -> type[msgspec.Struct]:
    hints = get_type_hints(kind, include_extras=True)
    fields: list[tuple[str, Any]] = []
    for name in _fields_of(kind):
        hint = hints[name]
        fields.append((name, float | None if hint is float else hint))
    return msgspec.defstruct(kind.__name__, fields, frozen=True, tag_field="do", tag=kind.__name__)


def _answer_type(kind: type[c.Message]) -> Any:
    (answer,) = get_args(get_type_hints(kind)["reply"])
    return list[Outcome] if answer == c.Outcomes else answer


_TO_WIRE = {kind: _wire_type(kind) for kind in COMMANDS}
_FROM_WIRE = {wire: kind for kind, wire in _TO_WIRE.items()}
_FIELDS = {kind: _fields_of(kind) for kind in COMMANDS}
_FLOATS = {
    kind: {name for name, hint in get_type_hints(kind).items() if hint is float}
    for kind in COMMANDS
}


if TYPE_CHECKING:
    WireCommand = msgspec.Struct
else:
    WireCommand = Union[tuple(_FROM_WIRE)]  # noqa: UP007 - of classes made at run time


class Call(msgspec.Struct, frozen=True, omit_defaults=True, tag="call"):
    """A command to carry out; `again`: unless the receipt of `request` says that it was."""

    n: int
    command: WireCommand
    request: str | None = None
    again: bool = False


def _as_json(value: object) -> object:
    """What an error received can be of any type."""
    return list(value) if isinstance(value, Batches) else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_as_json)
encode = _encoder.encode


def call(n: int, command: c.Command, *, again: bool) -> bytes:
    """The message that carries a command."""
    kind = type(command)
    values = [getattr(command, name) for name in _FIELDS[kind]]
    return encode(Call(n, _TO_WIRE[kind](*values), command.reply.request, again))


def command_of(received: Call) -> c.Command:
    """The command of a call, with a new reply."""
    wire = received.command
    kind = _FROM_WIRE[type(wire)]
    values = {name: getattr(wire, name) for name in _FIELDS[kind]}
    for name in _FLOATS[kind]:
        if values.get(name, 0.0) is None:
            values[name] = inf
    reply: Reply[Any] = Reply(received.request)
    return cast("c.Command", kind(**values, reply=reply))


def answer(n: int, value: Any) -> bytes:
    """The message that carries an answer."""
    if isinstance(value, list) and any(isinstance(one, Ended | SchedulerError) for one in value):
        value = [_outcome(one) for one in value]
    return encode(Answer(n, msgspec.Raw(encode(value))))


def _outcome(one: Ended | SchedulerError) -> Outcome:
    return Outcome(ended=one) if isinstance(one, Ended) else Outcome(error=one.as_dict())


def value_of(received: Answer, command: c.Command) -> Any:
    """The value of an answer to this command."""
    value = _answer_decoder(type(command)).decode(received.value)
    if isinstance(value, list) and value and isinstance(value[0], Outcome):
        return [one.ended or from_dict(one.error or {}) for one in value]
    return value


@cache
def _answer_decoder(kind: type[c.Message]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_answer_type(kind))


def refusal(n: int, error: SchedulerError) -> bytes:
    """The message that carries an error."""
    facts = error.as_dict()
    for fact, value in facts.items():
        if isinstance(value, str):  # it may hold a path, or a text that is no Unicode
            facts[fact] = value.encode("utf-8", "backslashreplace").decode()
    return encode(Refusal(n, facts))


ToOwner = Hello | Ping | Forget | Heard | Call


@cache
def our_version() -> str:
    """The version of this headrace."""
    from importlib.metadata import version  # takes 20 ms to import

    return version("headrace")


FromOwner = Welcome | Pong | Answer | Refusal
to_owner = msgspec.json.Decoder(ToOwner).decode
from_owner = msgspec.json.Decoder(FromOwner).decode
