"""Events and commands as bytes: MessagePack of `[type name, fields]`."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

import msgspec

from centralita.core.errors import InvalidInput

LONGEST_MESSAGE = 1 << 20


class Wire:
    """Encodes and decodes a closed set of frozen dataclasses.

    The set is given once, by both sides of a seam; a message outside it is refused. On a stream
    each message is its length as a big-endian unsigned 32-bit number and then its bytes.
    """

    def __init__(self, types: Iterable[type]) -> None:
        self._types = {kind.__name__: kind for kind in types}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
        self._fields: dict[str, msgspec.msgpack.Decoder[object]] = {
            name: msgspec.msgpack.Decoder(kind) for name, kind in self._types.items()
        }

    def encode(self, message: object) -> bytes:
        """The bytes of `message`, whose type must belong to the set."""
        name = type(message).__name__
        if self._types.get(name) is not type(message):
            raise InvalidInput(f"{name} is not a message of this link")
        return self._encoder.encode((name, message))

    def decode(self, data: bytes) -> object:
        """The message in `data`; raises InvalidInput for anything else."""
        try:
            name, raw = self._decoder.decode(data)
            return self._fields[name].decode(raw)
        except KeyError as exc:
            raise InvalidInput(f"unknown message {exc.args[0]!r}") from exc
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise InvalidInput(f"malformed message: {exc}") from exc

    def send(self, writer: asyncio.StreamWriter, message: object) -> None:
        """Queue a message. What a broken connection swallows, its reader notices."""
        data = self.encode(message)
        writer.write(len(data).to_bytes(4, "big") + data)

    async def receive(self, reader: asyncio.StreamReader) -> object | None:
        """The next message; None at the end of the stream. Raises InvalidInput for rubbish."""
        try:
            length = int.from_bytes(await reader.readexactly(4), "big")
            if length > LONGEST_MESSAGE:
                raise InvalidInput(f"a message of {length} bytes is longer than any we send")
            return self.decode(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def to_plain(value: object) -> Plain:
    """Dataclasses, enums, dates and collections as JSON values; a timedelta is in seconds."""
    match value:
        case enum.Enum():
            return to_plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case timedelta():
            return value.total_seconds()
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [to_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: to_plain(getattr(value, field.name))
                for field in dataclasses.fields(value)
            }
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> timedelta:
    """`"30s"`, `"500ms"`, `"2m"`, `"1h"`, `"7d"` as a timedelta; raises InvalidInput otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(
            f'"{text}" is not a duration; write a number and ms, s, m, h or d: "30s"'
        )
    return timedelta(seconds=float(match["number"]) * _UNITS[match["unit"]])
