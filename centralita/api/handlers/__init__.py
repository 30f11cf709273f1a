"""What the endpoints do, by subject. The names are those of `endpoints.ENDPOINTS`."""

from __future__ import annotations

from centralita.api.handlers import calls, centre, customers, edge, flows, interactions, signing_in
from centralita.api.http import Handler
from centralita.api.ports import ApiPorts


def handlers(ports: ApiPorts, sign_in: signing_in.SigningIn) -> dict[str, Handler]:
    """The handler of each endpoint, by its name."""
    return {
        **sign_in.handlers(),
        **calls.Calls(ports).handlers(),
        **customers.Customers(ports).handlers(),
        **interactions.Interactions(ports).handlers(),
        **centre.Centre(ports).handlers(),
        **flows.Flows(ports).handlers(),
        **edge.Edge(ports).handlers(),
    }
