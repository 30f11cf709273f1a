"""The one root of our errors. Each package has a shallow branch of its own below it."""

from __future__ import annotations


class CentralitaError(Exception):
    """Something went wrong that we can name.

    The message is a sentence for the person who must mend it: what is wrong, where, and what
    would be right. `code` is stable and is what the API shows to programs.
    """

    code: str = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidInput(CentralitaError):
    """A value from outside (file, API, SIP, audio, mail) that we refuse.

    `place` says where it stands: `sip.conf:12 [http] port`, `menu.yaml: node "start"`.
    """

    code = "invalid_input"

    def __init__(self, message: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.reason = message


class NotFound(CentralitaError):
    """What was asked for does not exist, or the asker may not know that it does."""

    code = "not_found"


class Conflict(CentralitaError):
    """The request is sound but the state of things does not allow it."""

    code = "conflict"


class Unavailable(CentralitaError):
    """A part that is needed (worker, recogniser, database) cannot serve just now."""

    code = "unavailable"
