"""Whether a secret looks like one that somebody made up."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

# Six letters and more: shorter ones are in random texts, too.
_WORDS = re.compile(
    b"secret|change|example|passwor|default|develop|product|testing|session|jsonweb|supersec"
    b"|dontuse|insecure|qwerty|qwertz|asdfgh|letmein|placehold|replace|flask-|django|random",
    re.IGNORECASE,
)
#: Bits that the letters of a secret have to have at least, counted by how often each occurs.
_MIN_BITS = 90
# In random hexadecimal digits so many follow each other once in some million secrets.
_MIN_RUN = 8


def weakness(secret: bytes) -> str | None:
    """Why ``secret`` can be guessed, in words that show nothing of it; None if nothing was found.

    That says that it has no pattern which people make, not that it is random: of a text one cannot
    see that.
    """
    if _WORDS.search(secret):
        return "has a word in it that people take for secrets"
    if _is_repeated(secret):
        return "is one text, repeated"
    if _has_run(secret):
        return "has a row of characters that follow each other"
    if b" " in secret.strip() and secret.isascii() and secret.replace(b" ", b"").isalpha():
        return "is made of words"
    if _bits(secret) < _MIN_BITS:
        return "has too few different characters"
    return None


def _is_repeated(secret: bytes) -> bool:
    return any(
        secret == (secret[:period] * (len(secret) // period + 1))[: len(secret)]
        for period in range(1, len(secret) // 2 + 1)
    )


def _has_run(secret: bytes) -> bool:
    """Whether it has something like ``abcdefgh``, ``87654321`` or ``zzzzzzzz``."""
    run, step_before = 1, None
    for before, after in pairwise(secret):
        step = after - before
        if step not in (-1, 0, 1):
            run, step_before = 1, None
            continue
        run = run + 1 if step == step_before else 2
        step_before = step
        if run >= _MIN_RUN:
            return True
    return False


def _bits(secret: bytes) -> float:
    """Shannon's entropy of its bytes, as if each were drawn by itself."""
    counts, length = Counter(secret), len(secret)
    return -sum(count * math.log2(count / length) for count in counts.values())
