"""What the endpoints do, by subject. The names are those of `endpoints.ENDPOINTS`."""

from __future__ import annotations

from centralita.api.auditor import Auditor
from centralita.api.auth import Authenticator
from centralita.api.handlers import (
    accounts,
    audit,
    calls,
    centre,
    conversations,
    customers,
    edge,
    erasure,
    flows,
    interactions,
    merges,
    own_account,
    phone,
    signing_in,
    tasks,
    writing,
)
from centralita.api.http import Handler
from centralita.api.ports import ApiPorts
from centralita.api.sign_in_guard import SignInGuard


def handlers(ports: ApiPorts, auth: Authenticator) -> dict[str, Handler]:
    """The handler of each endpoint, by its name."""
    auditor = Auditor(ports.audit, auth)
    guard = SignInGuard(ports.clock, ports.settings)
    return {
        **signing_in.SigningIn(ports, auth, auditor, guard).handlers(),
        **own_account.OwnAccount(ports, auth, auditor, guard).handlers(),
        **accounts.Accounts(ports, auditor).handlers(),
        **calls.Calls(ports, auditor).handlers(),
        **conversations.Conversations(ports, auditor).handlers(),
        **customers.Customers(ports, auditor).handlers(),
        **interactions.Interactions(ports, auditor).handlers(),
        **tasks.Tasks(ports).handlers(),
        **writing.Writing(ports, auditor).handlers(),
        **merges.Merges(ports, auditor).handlers(),
        **centre.Centre(ports, auditor).handlers(),
        **flows.Flows(ports, auditor).handlers(),
        **audit.AuditEntries(ports).handlers(),
        **edge.Edge(ports, auditor).handlers(),
        **erasure.Erasing(ports, auditor).handlers(),
        **phone.Phone(ports, auth).handlers(),
    }
