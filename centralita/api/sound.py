"""An encrypted recording as an answer: ranges are served, and only they are decrypted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from centralita.core.errors import Unavailable
from centralita.core.refusals import Refusal
from centralita.recordings.files import RecordingError, open_sound
from centralita.vault.keyring import Keyring

log = logging.getLogger(__name__)

_PIECE = 64 * 1024


class NoSuchRange(web.HTTPRequestRangeNotSatisfiable):
    """The range lies behind the end, or is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `first`, `length` of them. `partial` when they were asked for as a range."""

    first: int
    length: int
    partial: bool


def wanted_span(request: web.Request, size: int, etag: str) -> Span:
    """Which bytes of `size` the request wants. Raises NoSuchRange.

    A range of another version of the file (If-Range) is none, so everything is sent.
    """
    condition = request.headers.get("If-Range")
    if "Range" not in request.headers or (condition is not None and condition != etag):
        return Span(0, size, partial=False)
    try:
        asked = request.http_range
    except ValueError:
        raise NoSuchRange(headers={"Content-Range": f"bytes */{size}"}) from None
    first, last, _ = asked.indices(size)
    if last <= first:
        raise NoSuchRange(headers={"Content-Range": f"bytes */{size}"})
    return Span(first, last - first, partial=True)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises Unavailable for a recording that cannot be read; the log says which key or file is to
    be mended."""
    try:
        yield
    except RecordingError as exc:
        log.error("recording cannot be read", extra={"path": str(path), "error": str(exc)})
        raise Unavailable(
            "this recording cannot be decrypted; the server's log says what is missing",
            code=Refusal.RECORDING_UNREADABLE,
        ) from exc


async def open_for(path: Path, keyring: Keyring) -> BinaryIO:
    """The sound, open; raises Unavailable."""
    with readable(path):
        return await asyncio.to_thread(open_sound, path, keyring)


async def serve_sound(
    request: web.Request, sound: BinaryIO, size: int, etag: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send `sound` or the range that is wanted. A part that was tampered with is never sent: the
    connection ends there, so that the client knows that something is missing."""
    common = {"Accept-Ranges": "bytes", "ETag": etag, **headers}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=common)
    span = wanted_span(request, size, etag)
    response = web.StreamResponse(status=206 if span.partial else 200, headers=common)
    response.content_length = span.length
    if span.partial:
        end = span.first + span.length - 1
        response.headers["Content-Range"] = f"bytes {span.first}-{end}/{size}"
    await response.prepare(request)
    left = span.length
    try:
        await asyncio.to_thread(sound.seek, span.first)
        while left:
            piece = await asyncio.to_thread(sound.read, min(left, _PIECE))
            if not piece:
                raise RecordingError("the recording became shorter while it was read")
            left -= len(piece)
            await response.write(piece)
    except RecordingError as exc:
        log.error("recording cannot be read to its end", extra={"error": str(exc)})
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
