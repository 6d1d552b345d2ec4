"""The people who have an account here. They are made up, and anybody may be any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    id: str  # the subject: never given to anybody else, and not an address that could change hands
    name: str
    email: str
    email_verified: bool

    def claims(self, scope: str) -> dict[str, str | bool]:
        """What an application with this scope may know (OpenID Connect Core section 5.4)."""
        claims: dict[str, str | bool] = {"sub": self.id}
        if "profile" in scope.split():
            given_name, _, family_name = self.name.partition(" ")
            claims |= {"name": self.name, "given_name": given_name, "family_name": family_name}
        if "email" in scope.split():
            claims |= {"email": self.email, "email_verified": self.email_verified}
        return claims


PEOPLE = {
    person.id: person
    for person in (
        Person("d1-1906", "Grace Hollow", "grace@example.net", email_verified=True),
        Person("d1-1924", "Mary Maddox", "mary@example.net", email_verified=True),
        # Nobody checked that this address is hers, and it is not: an application that knew people
        # by their addresses would take her for its own administrator.
        Person("d1-1999", "Mallory Mask", "ada@example.com", email_verified=False),
    )
}
