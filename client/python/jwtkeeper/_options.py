"""Options and arguments, checked: a wrong one is refused by its name, and never wrapped by the C types behind it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Optional, Tuple, Union

#: The largest number of seconds for a deadline: a year.
LONGEST = 366 * 24 * 3600
LARGEST = 2**63 - 1
Text = Tuple[Optional[bytes], int]


def whole(name: str, value: Any, most: int, least: int = 0) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {value}")
    return value


def milliseconds(name: str, value: Any) -> int:
    """A time to wait, given in seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if math.isnan(value) or not 0 < value <= LONGEST:
        raise ValueError(f"{name} must be more than 0 and at most {LONGEST} seconds, not {value}")
    return max(1, round(value * 1000))


def lifetime(value: Union[int, timedelta, Any]) -> int:
    """A ttl in whole seconds."""
    if isinstance(value, timedelta):
        if value.microseconds:
            raise ValueError(f"ttl must be whole seconds, not {value.total_seconds()}")
        value = value.days * 86400 + value.seconds
    return whole("ttl", value, LARGEST)


def text(name: str, value: Any) -> Text:
    """Text that names something: it must not be altered."""
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} holds a lone surrogate") from None
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    return value, len(value)


def presented(value: Any) -> Text:
    """What a browser sent for a token or cookie, whatever it is: what cannot be one is judged as an empty one."""
    if isinstance(value, str):
        # A lone surrogate becomes bytes that are no UTF-8, which no token holds.
        value = value.encode("utf-8", "surrogatepass")
    if not isinstance(value, bytes):
        value = b""
    return value, len(value)


def optional(value: Any) -> Text:
    """The same of a cookie that did not come along."""
    return (None, 0) if value is None else presented(value)
