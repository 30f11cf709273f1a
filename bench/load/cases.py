"""The loads: what is called, by how many, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from centralita.core.wire import Plain

NUMBER = "500"
QUEUE = "load"
_RETURN = "Gracias por llamar. "
_FIRST = (
    "Bienvenido a nuestra empresa. Si desea hacer un pedido, pulse uno. Para saber cuándo llega "
    "un pedido que ya ha hecho, o para cambiarlo, pulse dos. Si tiene una factura que no entiende, "
    "pulse tres. Para todo lo demás, espere, por favor."
)
_SECOND = (
    "Ha elegido pedidos. Si conoce el número del artículo, pulse uno. Si prefiere que le ayudemos "
    "a encontrarlo, pulse dos. Para escuchar nuestras ofertas de este mes, pulse tres. Para volver "
    "al menú principal, espere, por favor, o pulse cero."
)
_WORDS = ("ventas", "facturas", "pedidos")


class Shape(StrEnum):
    """What is counted: a plateau of calls that go on, or calls that come and go."""

    HELD = "held"
    PASSING = "passing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One load.

    `sizes` are the runs it is measured in: calls at once when they are held, new calls a second
    when they pass; `total` ends a run after so many calls instead of after some seconds. `agents`
    is how many pick up for each call at once, and `record` whether their conversations are kept and
    transcribed. `hold` is after how many seconds a caller hangs up;
    0 leaves it to the server, or to the end of the run.
    """

    name: str
    shape: Shape
    sizes: tuple[int, ...]
    flow: Mapping[str, Plain]
    agents: bool = False
    record: bool = True
    hold: float = 0
    key_every: float = 0
    speech: bool = False
    total: int = 0
    seconds_each: float = 5
    """How long a passing call lasts at most, from which follows how many there are at once."""
    server: str = ""
    """Lines for sip.conf."""


def _flow(start: str, nodes: Mapping[str, Plain]) -> dict[str, Plain]:
    return {
        "flow": "load",
        "language": "es",
        "start": start,
        "nodes": {**nodes, "end": {"type": "hangup"}},
    }


def _menu(text: str, next_menu: str, *, speech: bool) -> dict[str, Plain]:
    choice: dict[str, Plain] = {"key": "1", "next": next_menu}
    if speech:
        choice["say"] = list(_WORDS)
    return {
        "type": "menu",
        "prompt": text,
        "choices": [choice],
        "turn": {"tries": 1000},
        "on_failure": "end",
    }


def _menus(*, speech: bool) -> dict[str, Plain]:
    return _flow(
        "first",
        {
            "first": _menu(_FIRST, "second", speech=speech),
            "second": _menu(_SECOND, "first", speech=speech),
        },
    )


_QUEUE_FLOW = _flow("wait", {"wait": {"type": "enqueue", "queue": QUEUE, "otherwise": "end"}})
_PROMPT_FLOW = _flow("say", {"say": {"type": "play", "prompt": _RETURN, "next": "end"}})

CASES = {
    case.name: case
    for case in (
        Case(
            name="menu",
            shape=Shape.HELD,
            sizes=(40, 200, 400),
            flow=_menus(speech=False),
            key_every=8,
        ),
        Case(
            name="bridged",
            shape=Shape.HELD,
            sizes=(40, 100, 200),
            flow=_QUEUE_FLOW,
            agents=True,
        ),
        Case(
            name="speech",
            shape=Shape.HELD,
            sizes=(10, 20, 40),
            flow=_menus(speech=True),
            speech=True,
            server="[asr]\nworkers = 2\nmax_streams = 40\n",
        ),
        Case(
            name="arrivals",
            shape=Shape.PASSING,
            sizes=(20, 50, 100),
            flow=_PROMPT_FLOW,
        ),
        Case(
            name="queued",
            shape=Shape.PASSING,
            sizes=(5, 20),
            flow=_QUEUE_FLOW,
            agents=True,
            record=False,
            hold=2,
        ),
        Case(
            name="recorded",
            shape=Shape.PASSING,
            sizes=(5,),
            flow=_QUEUE_FLOW,
            agents=True,
            hold=2,
        ),
        Case(
            name="short",
            shape=Shape.PASSING,
            sizes=(50,),
            flow=_PROMPT_FLOW,
            hold=0.2,
            total=10000,
        ),
    )
}
