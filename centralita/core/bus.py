"""The in-process bus that carries events from one package to its siblings."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from centralita.core.events import Event
from centralita.core.ids import CallId

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
_Handlers = tuple[tuple[type[Event], Callable[[Event], None]], ...]


class Bus:
    """Delivers each event, in the order of publishing, to everyone who asked for its type.

    Handlers are plain functions that return at once: they queue work for a task of their own.
    One that raises is logged and does not keep the others from hearing the event. An event
    published by a handler is delivered after the current one has reached everybody.
    """

    def __init__(self) -> None:
        self._handlers: _Handlers = ()
        # A house with hundreds of calls has hundreds of handlers that each want one call's events:
        # asking them all, for each event, would cost the square of the calls.
        self._of_call: dict[CallId, _Handlers] = {}
        self._by_type: dict[type[Event], tuple[Callable[[Event], None], ...]] = {}
        self._pending: deque[Event] = deque()
        self._delivering = False

    def subscribe(
        self, kind: type[E], handler: Callable[[E], None], *, call_id: CallId | None = None
    ) -> Callable[[], None]:
        """Call `handler` for each event of `kind` or a subclass. Returns how to stop.

        With `call_id` it hears only the events of that call, after those who hear all of them.
        """
        entry: tuple[type[Event], Callable[[Event], None]] = (kind, handler)  # type: ignore[assignment]  # narrowed by isinstance
        if call_id is None:
            self._handlers += (entry,)
            self._by_type.clear()
            return lambda: self._forget(entry)
        self._of_call[call_id] = (*self._of_call.get(call_id, ()), entry)
        return lambda: self._forget_of_call(call_id, entry)

    def publish(self, event: Event) -> None:
        """Deliver `event` to its subscribers."""
        self._pending.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                self._deliver(self._pending.popleft())
        finally:
            self._delivering = False

    def _deliver(self, event: Event) -> None:
        kind = type(event)
        handlers = self._by_type.get(kind)
        if handlers is None:
            handlers = self._by_type[kind] = tuple(
                handler for wanted, handler in self._handlers if issubclass(kind, wanted)
            )
        for handler in handlers:
            _call(handler, event)
        call_id: CallId | None = getattr(event, "call_id", None)
        if call_id is not None:
            for wanted, handler in self._of_call.get(call_id, ()):
                if issubclass(kind, wanted):
                    _call(handler, event)

    def _forget(self, entry: tuple[type[Event], Callable[[Event], None]]) -> None:
        self._handlers = tuple(known for known in self._handlers if known is not entry)
        self._by_type.clear()

    def _forget_of_call(
        self, call_id: CallId, entry: tuple[type[Event], Callable[[Event], None]]
    ) -> None:
        left = tuple(known for known in self._of_call.get(call_id, ()) if known is not entry)
        if left:
            self._of_call[call_id] = left
        else:
            self._of_call.pop(call_id, None)


def _call(handler: Callable[[Event], None], event: Event) -> None:
    try:
        handler(event)
    except Exception:
        log.exception("event handler failed", extra={"event": type(event).__name__})
