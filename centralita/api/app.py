"""`make_app(ports)`: the web application, put together from the list of endpoints."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from centralita.api.auth import Authenticator, within
from centralita.api.bodies import LARGE, decode
from centralita.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from centralita.api.handlers import handlers
from centralita.api.http import (
    Cookie,
    Forbidden,
    Handler,
    Incoming,
    NotSignedIn,
    error_response,
    json_response,
)
from centralita.api.live_socket import LiveSocket
from centralita.api.openapi import text as openapi_text
from centralita.api.pace import FILE, REQUEST, Pace
from centralita.api.page_phone import websocket_url
from centralita.api.pages import Pages
from centralita.api.ports import ApiPorts, ApiSettings
from centralita.core.errors import CentralitaError, InvalidInput
from centralita.store.records import Role

# What is not the page's and not under PREFIX.
_FOR_PROGRAMS = ("/healthz", "/metrics")

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(ports: ApiPorts) -> web.Application:
    """The application. Whoever runs it closes the store; the live connections end with it."""
    settings = ports.settings
    pace = Pace(ports.clock, settings)
    auth = Authenticator(ports.store, ports.clock, settings, pace)
    live = LiveSocket(ports.hub, auth, ports.clock)
    app = web.Application(middlewares=[_errors, _paced(pace, auth)])
    by_name = handlers(ports, auth)
    for endpoint in ENDPOINTS:
        app.router.add_route(
            endpoint.method,
            PREFIX + endpoint.path,
            _route(endpoint, by_name[endpoint.name], auth, settings.body_time.total_seconds()),
        )
    app.router.add_get(PREFIX + "/live", live.serve)
    app.router.add_get(PREFIX + "/openapi.json", _openapi())
    app.router.add_get("/healthz", _health(ports, auth))
    app.router.add_get("/metrics", _metrics(ports, auth))
    app.router.add_get("/{path:.*}", Pages(settings.web_dir).serve)
    app.on_response_prepare.append(_security_headers(settings, auth))

    async def shut_down(_: web.Application) -> None:
        await live.close()

    app.on_shutdown.append(shut_down)
    return app


async def _body(request: web.Request, most: int, body_time: float) -> bytes:
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(most)
    try:
        async with asyncio.timeout(body_time):
            return await request.clone(client_max_size=most).read()
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout from exc


def _decode(raw: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct | InvalidInput:
    try:
        return decode(raw, kind)
    except InvalidInput as exc:
        return exc


def _route(
    endpoint: Endpoint, handler: Handler, auth: Authenticator, body_time: float
) -> WebHandler:
    async def serve(request: web.Request) -> web.StreamResponse:
        principal = None
        if endpoint.role is not None:
            principal = await auth.principal(request)
            if principal is None:
                raise NotSignedIn("sign in first")
            if not principal.role.covers(Role(endpoint.role)):
                raise Forbidden(f"this takes the role {endpoint.role}")
        raw, large = b"", None
        if endpoint.body is not None:
            raw = await _body(request, endpoint.max_body, body_time)
            auth.brings(request, len(raw))
            if len(raw) > LARGE:
                large = await asyncio.to_thread(_decode, raw, endpoint.body)
        reply = await handler(Incoming(request, principal, raw, large))
        if isinstance(reply, web.StreamResponse):
            return reply
        response = json_response(reply.body, reply.status)
        for cookie in reply.cookies:
            _set_cookie(response, cookie, secure=auth.is_https(request))
        return response

    return serve


def _set_cookie(response: web.Response, cookie: Cookie, *, secure: bool) -> None:
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age_s,
        path="/",
        secure=secure,
        httponly=cookie.http_only,
        samesite="Strict",
    )


def _paced(pace: Pace, auth: Authenticator) -> Middleware:
    @web.middleware
    async def paced(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        of_page = not request.path.startswith(PREFIX) and request.path not in _FOR_PROGRAMS
        pace.begins(auth.key(request), auth.network(request), FILE if of_page else REQUEST)
        return await handler(request)

    return paced


@web.middleware
async def _errors(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        return error_response(exc)
    except ConnectionResetError:
        raise
    except Exception as exc:
        return error_response(exc)


def _security_headers(
    settings: ApiSettings, auth: Authenticator
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    policy = "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",  # the components set styles on elements
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
        "Server": "Centralita",
    }

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)
        if auth.is_https(request):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        edge = websocket_url(settings, request.host, https=auth.is_https(request))
        allowed = f"connect-src 'self' {edge}".rstrip()
        response.headers["Content-Security-Policy"] = policy.replace("connect-src 'self'", allowed)

    return add


def _openapi() -> WebHandler:
    document = openapi_text()

    async def serve(request: web.Request) -> web.StreamResponse:
        return web.Response(text=document, content_type="application/json")

    return serve


def _health(ports: ApiPorts, auth: Authenticator) -> WebHandler:
    async def may_know_why(request: web.Request) -> bool:
        if within(auth.client(request), ports.settings.metrics_from):
            return True
        try:
            return await auth.principal(request) is not None
        except CentralitaError:  # not signed in, or the database does not say
            return False

    async def serve(request: web.Request) -> web.StreamResponse:
        report = await ports.health.report()
        if not await may_know_why(request):
            report = report.for_strangers()
        return json_response(report, 503 if report.status == "down" else 200)

    return serve


def _metrics(ports: ApiPorts, auth: Authenticator) -> WebHandler:
    settings = ports.settings

    async def serve(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        by_token = bool(settings.metrics_token) and hmac.compare_digest(
            token, settings.metrics_token.encode()
        )
        if not by_token and not within(auth.client(request), settings.metrics_from):
            raise Forbidden("metrics are not for this address; see [http] in sip.conf")
        return web.Response(
            body=generate_latest(ports.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return serve
