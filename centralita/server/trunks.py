"""How the trunks are, for whoever asks: the API, the command line, /healthz and /metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from centralita.api import schemas as s
from centralita.telephony.edge.trunk_state import Condition, Enrolment, TrunkState
from centralita.telephony.edge.trunk_watch import TrunkWatch


class Trunks:
    """`api.ports.TrunkReport`; without an edge there are none."""

    def __init__(self, watch: TrunkWatch | None) -> None:
        self._watch = watch

    @property
    def states(self) -> tuple[TrunkState, ...]:
        """As of now, in the order of sip.conf."""
        return self._watch.states if self._watch is not None else ()

    def usable(self, name: str) -> bool:
        """Whether a call may be tried by that trunk: all but those that are known to be down."""
        return self._watch is None or self._watch.usable(name)

    def all(self) -> Sequence[s.Trunk]:
        """As `states`."""
        return [
            s.Trunk(
                name=state.name,
                condition=state.condition.value,
                since=state.since,
                answers=state.answers,
                registration=state.registration.value,
                code=state.code,
                expires_at=state.expires_at,
                trouble=state.trouble.value if state.trouble is not None else None,
                message=state.message,
                calls_in=state.calls_in,
                calls_out=state.calls_out,
            )
            for state in self.states
        ]

    def part(self) -> s.Part:
        """For /healthz: whether one is down, and which."""
        down = [state for state in self.states if state.condition is Condition.DOWN]
        return s.Part(
            ok=not down,
            message="; ".join(
                f"trunk {state.name} is down since {state.since.isoformat(timespec='seconds')}: "
                f"{state.message}"
                for state in down
            ),
            detail={state.name: state.condition.value for state in self.states},
        )

    def metrics(self) -> Iterable[Metric]:
        """What is not known has no sample."""
        up = GaugeMetricFamily(
            "centralita_trunk_up", "whether a trunk can be used", labels=["trunk"]
        )
        registered = GaugeMetricFamily(
            "centralita_trunk_registered", "whether we are registered at a trunk", labels=["trunk"]
        )
        for state in self.states:
            if state.condition is not Condition.UNKNOWN:
                up.add_metric([state.name], state.condition is Condition.UP)
            if state.registration is not Enrolment.NONE:
                registered.add_metric([state.name], state.registration is Enrolment.REGISTERED)
        calls = CounterMetricFamily(
            "centralita_trunk_calls", "calls by a trunk", labels=["trunk", "direction"]
        )
        for state in self.states:
            calls.add_metric([state.name, "in"], state.calls_in)
            calls.add_metric([state.name, "out"], state.calls_out)
        yield up
        yield registered
        yield calls
