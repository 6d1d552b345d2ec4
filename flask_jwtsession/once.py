"""What may be used once, remembered as long as it could be used again."""

from __future__ import annotations

from .stores import Store, entry_name


class Once:
    """Remembers what was used, as far as the store is shared.

    :param key: of the HMAC that its entries are called by
    """

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key

    def has(self, text: str) -> bool:
        """Whether ``text`` was taken. Raises :exc:`~.StoreUnavailable`."""
        return self._store.get_many([self._name(text)]) != [None]

    def take(self, text: str, lifetime: float) -> bool:
        """Whether ``text`` was not taken before. It is remembered for ``lifetime`` seconds. Raises
        :exc:`~.StoreUnavailable`.
        """
        return self._store.put_if_absent(self._name(text), b"1", lifetime)

    def _name(self, text: str) -> str:
        return entry_name(self._key, f"once\0{text}")
