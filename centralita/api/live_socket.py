"""`/api/v1/live`: the WebSocket by which pages watch the centre."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from centralita.api.auth import Authenticator
from centralita.api.eviction import viewer_of
from centralita.api.http import NotSignedIn, Principal, error_response
from centralita.api.live import LiveHub
from centralita.api.live_messages import LiveSignIn
from centralita.api.watcher import Watcher
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError
from centralita.core.tasks import Tasks

log = logging.getLogger(__name__)

FIRST_MESSAGE_S = 5.0
HEARTBEAT_S = 20.0
CLOSING_S = 1.0
NOT_SIGNED_IN = 4401
TOO_SLOW = 4408
CODES = {
    "signed out": NOT_SIGNED_IN,
    "session over": NOT_SIGNED_IN,
    "too slow": TOO_SLOW,
    "going away": WSCloseCode.GOING_AWAY,
}


class LiveSocket:
    """Serves the live feed, one task for each direction of each connection."""

    def __init__(self, hub: LiveHub, auth: Authenticator, clock: Clock) -> None:
        self._hub = hub
        self._auth = auth
        self._clock = clock
        self._tasks = Tasks("live feed")
        self._wardens: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End all connections, telling the pages why."""
        self._hub.close()
        if self._wardens:
            await asyncio.wait(tuple(self._wardens), timeout=2 * CLOSING_S)
        await self._tasks.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle a connection until it ends."""
        try:
            # WebSockets are not held back by the browser's same-origin policy.
            if "Authorization" not in request.headers:
                self._auth.check_origin(request)
            principal = await self._auth.principal(request)
        except CentralitaError as exc:
            return error_response(exc)
        socket = web.WebSocketResponse(timeout=CLOSING_S, heartbeat=HEARTBEAT_S, max_msg_size=4096)
        await socket.prepare(request)
        if principal is None:
            try:
                principal = await self._by_first_message(socket)
            except (NotSignedIn, TimeoutError):
                await socket.close(code=NOT_SIGNED_IN, message=b"sign in first")
                return socket
        watcher = self._hub.watch(
            viewer_of(principal.user.id, principal.role, principal.user.agent_id),
            principal.session,
        )
        sender = self._tasks.spawn(self._send(socket, watcher), name="send")
        warden = self._tasks.spawn(
            self._end(request, socket, watcher, principal), name="end a connection"
        )
        self._wardens.add(warden)
        warden.add_done_callback(self._wardens.discard)
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._hub.unwatch(watcher)
            sender.cancel()
            if not watcher.is_closed:  # else the warden is just closing, and must finish
                warden.cancel()
        return socket

    async def _by_first_message(self, socket: web.WebSocketResponse) -> Principal:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            message = await socket.receive()
            if message.type is not WSMsgType.TEXT:
                raise NotSignedIn("send the token first")
            try:
                given = msgspec.json.decode(message.data, type=LiveSignIn)
            except msgspec.MsgspecError as exc:
                raise NotSignedIn("send the token first") from exc
            return await self._auth.by_token(given.token)

    async def _send(self, socket: web.WebSocketResponse, watcher: Watcher) -> None:
        while True:
            message = await watcher.next()
            try:
                await socket.send_str(msgspec.json.encode(message).decode())
            except ConnectionError:
                return  # the reader sees the end too and cleans up

    async def _end(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        watcher: Watcher,
        principal: Principal,
    ) -> None:
        """Close when the hub says so, or when the session's time is over."""
        why = "session over"
        if principal.expires_at is None:
            why = await watcher.closed()
        else:
            left = (principal.expires_at - self._clock.now()).total_seconds()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    why = await watcher.closed()
            except TimeoutError:
                pass
        self._hub.unwatch(watcher)
        try:
            async with asyncio.timeout(CLOSING_S):
                await socket.close(code=CODES[why], message=why.encode())
        except TimeoutError:
            # Whoever does not read does not read the closing either.
            log.info("live connection cut", extra={"why": why})
            if request.transport is not None:
                request.transport.abort()
