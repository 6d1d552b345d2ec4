"""Another service, which verifies the application's tokens with PyJWT: a process of its own.

Arguments and lines are those of ``jose/verify.mjs``. It imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import jwt


class LaterClock:
    """The clock that PyJWKClient looks at to see whether its keys are fresh."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._real = time.monotonic

    def __call__(self) -> float:
        return self._real() + self.seconds


def main() -> None:
    url, issuer, audience, algorithms = sys.argv[1:]
    clock = LaterClock()
    time.monotonic = clock
    keys = jwt.PyJWKClient(url)

    def verify(token: str) -> dict[str, Any]:
        try:
            if jwt.get_unverified_header(token).get("typ") != "session+jwt":
                return {"error": "typ"}
            key = keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms.split(","),
                issuer=issuer,
                audience=audience,
                options={"require": ["iss", "aud", "exp", "sub"]},
            )
        except jwt.PyJWTError as error:
            return {"error": type(error).__name__}
        return {"claims": claims}

    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any] = {}
        if "seconds" in asked:
            clock.seconds += asked["seconds"]
        else:
            answer = verify(asked["token"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
