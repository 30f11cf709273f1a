"""What is rung for one leg: a phone, an agent's page in the browser, or both at once. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The edge knows a page under its extension with this behind it (edge.control.page_name).
_PAGE = "~page"
# `sip:201@centralita;also=page`: the phones of 201, and its page.
_ALSO_PAGE = re.compile(r";also=page\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to ring; `page` is the extension when it is a page, else empty."""

    uri: str
    page: str = ""


def targets_of(uri: str) -> tuple[Target, ...]:
    """What stands behind the URI that the brain wants dialled."""
    scheme, _, rest = uri.partition(":")
    user, at, host = rest.partition("@")
    if at and user.endswith(_PAGE):
        return (Target(uri=uri, page=user.removesuffix(_PAGE)),)
    if at and _ALSO_PAGE.search(host):
        host = _ALSO_PAGE.sub("", host)
        return (
            Target(uri=f"{scheme}:{user}@{host}"),
            Target(uri=f"{scheme}:{user}{_PAGE}@{host}", page=user),
        )
    return (Target(uri=uri),)
