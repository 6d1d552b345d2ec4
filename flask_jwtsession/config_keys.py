"""Reading the configuration keys of one prefix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from . import config_values as values
from .exceptions import ConfigError

T = TypeVar("T")

# Checks of keys for which this text means something.
_TAKE_NONE = (values.samesite, values.provider_tokens, values.store)


class Keys:
    """Reads keys of one prefix, and remembers which there are."""

    def __init__(self, config: Mapping[str, Any], prefix: str) -> None:
        self.config = config
        self.prefix = prefix
        self._known: set[str] = set()

    def full(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def read(
        self, name: str, check: Callable[[Any], T], default: T, *, none_is_a_value: bool = False
    ) -> T:
        """The checked value; a key that is absent has its default, and so has one that is None
        unless that says something.
        """
        self._known.add(self.full(name))
        if self.full(name) not in self.config:
            return default
        value = self.config[self.full(name)]
        if value is None and not none_is_a_value:
            return default
        # What an environment variable makes of None.
        if isinstance(value, str) and value in ("None", "none") and check not in _TAKE_NONE:
            raise ConfigError(self.full(name), "got the text 'None'; leave the key out instead")
        try:
            return check(value)
        except ValueError as error:
            raise ConfigError(self.full(name), str(error)) from None

    def has(self, name: str) -> bool:
        """Whether the key has a value."""
        return self.config.get(self.full(name)) is not None

    def refuse_unknown(self) -> None:
        for key in self.config:
            if key.startswith(f"{self.prefix}_") and key not in self._known:
                from difflib import get_close_matches  # for this error alone

                name = key.removeprefix(f"{self.prefix}_")
                names = [known.removeprefix(f"{self.prefix}_") for known in self._known]
                close = get_close_matches(name, names, n=1)
                hint = f"; did you mean {self.full(close[0])}?" if close else ""
                raise ConfigError(key, f"there is no such key{hint}")
