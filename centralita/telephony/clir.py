"""Prefixes by which a phone says whether the number of the one who calls is to be seen. Pure.

As on mobile phones (3GPP TS 22.030 annex B, CLIR): `#31#` hides it for this call. `*31#` would show
it: whether it is shown otherwise is for the queue to say.
"""

from __future__ import annotations

_HIDE, _SHOW = "#31#", "*31#"


def without_prefix(dialled: str) -> tuple[str, bool]:
    """The number that is called, and whether the caller's is to be hidden."""
    if dialled.startswith(_HIDE):
        return dialled.removeprefix(_HIDE), True
    return dialled.removeprefix(_SHOW), False
