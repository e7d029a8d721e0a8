"""What the daemon answers. Their repr shows no token, no cookie secret and no claims."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, List, Optional, Tuple

Headers = List[Tuple[str, str]]


def parse_claims(text: bytes) -> Dict[str, Any]:
    """A token's claims; integers keep all their digits."""
    claims: Dict[str, Any] = json.loads(text)
    return claims


@dataclass(frozen=True)
class Verdict:
    """Whether a token is valid; it is as true as the token is."""

    valid: bool
    #: Why it is not: one of the names in jwtkeeper.h, such as "expired".
    reason: Optional[str]
    #: Why a valid one should be rotated now, such as "flagged"; None when it need not be.
    rotation: Optional[str]
    #: Its claims, byte for byte.
    claims_text: Optional[bytes] = field(repr=False)

    def __bool__(self) -> bool:
        return self.valid

    @cached_property
    def claims(self) -> Dict[str, Any]:
        """Its claims; none of a token that is not valid."""
        return {} if self.claims_text is None else parse_claims(self.claims_text)


@dataclass(frozen=True)
class Invalid:
    """The answer of rotate and revoke_token to a token that is not valid. It is false."""

    reason: str

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True)
class Cookie:
    """The lock cookie: its parts, and the header ready made."""

    name: str
    value: str = field(repr=False)
    #: In seconds since 1970-01-01T00:00:00Z.
    expires_at: int
    domain: Optional[str]
    path: Optional[str]
    secure: bool
    http_only: bool
    same_site: Optional[str]
    #: The value of a Set-Cookie header.
    set_cookie: str = field(repr=False)


@dataclass(frozen=True)
class Minted:
    """A token, new or a successor."""

    token: str = field(repr=False)
    jti: str
    #: In seconds since 1970-01-01T00:00:00Z.
    expires_at: int
    claims_text: bytes = field(repr=False)
    #: The lock cookie to set beside it, where the realm locks.
    cookie: Optional[Cookie] = field(repr=False)

    @cached_property
    def claims(self) -> Dict[str, Any]:
        """Its claims."""
        return parse_claims(self.claims_text)

    def headers(self) -> Headers:
        """What gives it to the browser: Authorization, and Set-Cookie where the realm locks. A response with a token must
        not be stored by caches."""
        cookie = [] if self.cookie is None else [("Set-Cookie", self.cookie.set_cookie)]
        return [("Authorization", f"Bearer {self.token}"), ("Cache-Control", "no-store"), *cookie]


@dataclass(frozen=True)
class Status:
    """What the denylist says of a jti."""

    #: "none", "soft", "hard" or "rotated".
    state: str
    #: Until when, in seconds since 1970-01-01T00:00:00Z; None when nothing stands.
    until: Optional[int]


@dataclass(frozen=True)
class Health:
    """How the daemon is."""

    ready: bool
    generation: int
    document: Dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Imported:
    """What an import came to: entries known, and how many of them the shared store still lacks."""

    entries: int
    pending: int
