"""The caller, once known."""

from dataclasses import dataclass

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``owner`` is what their records carry; ``roles`` never come from an unchecked source."""

    owner: str
    roles: frozenset[str] = frozenset()
    anonymous: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether the caller may operate the app."""
        return ADMIN in self.roles


ANONYMOUS = Caller("anonymous", anonymous=True)
"""Everybody without a token; owners of others have a prefix, so nobody can be called that."""
