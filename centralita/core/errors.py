"""The one root of our errors. Each package has a shallow branch of its own below it."""

from __future__ import annotations

from collections.abc import Mapping

Values = Mapping[str, str | int]
"""What the words for a refusal need: names, numbers, limits."""


class CentralitaError(Exception):
    """Something went wrong that we can name.

    The message is a sentence for the person who must mend it: what is wrong, where, and what
    would be right. `code` is stable and is what the API shows to programs. `why`, where there is
    one, says more exactly what is in the way, and `values` what words of another language need to
    say it (`core.refusals`).
    """

    code: str = "internal"
    why: str = ""

    def __init__(
        self, message: str, *, code: str | None = None, values: Values | None = None
    ) -> None:
        """`code` may be a `Refusal`: what stands after its dot becomes `why`."""
        super().__init__(message)
        if code is not None:
            self.code, _, self.why = code.partition(".")
        self.values: Values = values if values is not None else {}


class InvalidInput(CentralitaError):
    """A value from outside (file, API, SIP, audio, mail) that we refuse.

    `place` says where it stands: `sip.conf:12 [http] port`, `menu.yaml: node "start"`.
    """

    code = "invalid_input"

    def __init__(
        self,
        message: str,
        *,
        place: str = "",
        code: str | None = None,
        values: Values | None = None,
    ) -> None:
        super().__init__(f"{place}: {message}" if place else message, code=code, values=values)
        self.place = place
        self.reason = message

    def at(self, place: str) -> InvalidInput:
        """The same value, with the place where whoever sent it finds it."""
        code = f"{self.code}.{self.why}" if self.why else self.code
        return InvalidInput(self.reason, place=place, code=code, values=self.values)


class NotFound(CentralitaError):
    """What was asked for does not exist, or the asker may not know that it does."""

    code = "not_found"


class Conflict(CentralitaError):
    """The request is sound but the state of things does not allow it."""

    code = "conflict"


class Unavailable(CentralitaError):
    """A part that is needed (worker, recogniser, database) cannot serve just now."""

    code = "unavailable"
