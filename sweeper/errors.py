"""What the service says when it cannot do what was asked: one class per remedy."""

from dataclasses import dataclass


class SweeperError(Exception):
    """The request could not be carried out."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class NotFound(SweeperError):
    """There is nothing by that id."""


class Conflict(SweeperError):
    """The present state does not allow this; look at it again."""


class Unavailable(SweeperError):
    """The database does not answer now; try again in a moment."""


class StorageFull(SweeperError):
    """The disk or the database is full; make room, nothing was stored."""


class SchemaMismatch(SweeperError):
    """The database has another schema than this version of the code."""


class Fenced(SweeperError):
    """Another dispatcher has taken over; this one must stop."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request: where (a JSON pointer) and the rule, value and choices."""

    pointer: str
    message: str


class InvalidRequest(SweeperError):
    """The request breaks a rule; nothing was stored."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.message}" for p in problems))


class NeedsConfirmation(SweeperError):
    """The sweep would take longer than this service starts without being asked twice."""


class KeyReused(SweeperError):
    """This Idempotency-Key came with another body before; use a new key."""
