"""Reads a JSON object field by field; what is missing, wrong or unknown is refused by its full name."""

import json
import math
from typing import Any

from agent_lightning_worker.errors import WorkerError

MISSING: Any = object()


def parse_json(raw: bytes) -> Any:
    """Strict JSON: no NaN, no Infinity. @raises WorkerError"""

    def refuse(constant: str) -> None:
        raise WorkerError(f"body: {constant} is not a JSON number", field="body")

    try:
        return json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise WorkerError(f"body: not valid JSON: {error}", field="body") from None


class Fields:
    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, dict):
            raise WorkerError(f"{path or 'body'}: expected an object, got {_shown(value)}", field=path or "body")
        self.value = value
        self._path = path
        self._read: set[str] = set()

    def name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def get(self, key: str, default: Any = MISSING) -> Any:
        """The raw value. null counts as absent."""
        self._read.add(key)
        value = self.value.get(key)
        if value is not None:
            return value
        if default is MISSING:
            raise WorkerError(f"{self.name(key)}: missing", field=self.name(key))
        return default

    def text(self, key: str, default: Any = MISSING) -> str:
        value = self.get(key, default)
        if value is not default and not isinstance(value, str):
            raise self.wrong(key, "a text", value)
        return value

    def flag(self, key: str, default: Any = MISSING) -> bool:
        value = self.get(key, default)
        if value is not default and not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def integer(self, key: str, low: int, high: int, default: Any = MISSING) -> int:
        value = self.get(key, default)
        if value is not default and (type(value) is not int or not low <= value <= high):
            raise self.wrong(key, f"an integer in {low}…{high}", value)
        return value

    def number(self, key: str, low: float, high: float, default: Any = MISSING, *, below: bool = False) -> float:
        """In [low, high], or in [low, high) with `below`."""
        value = self.get(key, default)
        if value is default:
            return value
        if (
            type(value) not in (int, float)
            or not math.isfinite(value)
            or not low <= value <= high
            or (below and value == high)
        ):
            raise self.wrong(key, f"a number in [{low:g}, {high:g}{')' if below else ']'}", value)
        return float(value)

    def object(self, key: str, default: Any = MISSING) -> "Fields":
        return Fields(self.get(key, default), self.name(key))

    def array(self, key: str) -> list[Any]:
        value = self.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "an array", value)
        return value

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def done(self, *ignored: str) -> None:
        """@raises WorkerError when there is a field that nobody reads, so that no option is ignored in silence"""
        for key, value in self.value.items():
            if key not in self._read and key not in ignored and value is not None:
                known = ", ".join(sorted(self._read))
                raise WorkerError(f"{self.name(key)}: unknown field (known: {known})", field=self.name(key))

    def wrong(self, key: str, expected: str, value: Any, code: str | None = None) -> WorkerError:
        return WorkerError(
            f"{self.name(key)}: expected {expected}, got {_shown(value)}", field=self.name(key), code=code
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
