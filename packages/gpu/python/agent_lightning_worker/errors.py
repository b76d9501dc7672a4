"""The one error that is sent to clients."""

from typing import Any


class WorkerError(Exception):
    """A refusal: an HTTP answer where it is raised in a handler, a failed future where it is raised by an operation.

    `category` is "user" (do not retry) or "server"; `field` names what is wrong in the request.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        field: str | None = None,
        category: str = "user",
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.category = category
        self.code = code

    def body(self) -> dict[str, Any]:
        extra = {"field": self.field, "code": self.code}
        return {"error": str(self), "category": self.category} | {k: v for k, v in extra.items() if v is not None}


def numerics(message: str) -> WorkerError:
    """A loss or gradient that is not finite."""
    return WorkerError(message, status=500, category="server", code="numerics")
