"""OAuth tokens, encrypted with a key that is never in the store."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from store.database import Store

T = TypeVar("T")


class _Sealed(msgspec.Struct, frozen=True):
    connection: str  # inside the seal, as Fernet binds no context: rows cannot be swapped
    token: msgspec.Raw


class Tokens(Generic[T]):
    """Keeps one token per connection, for any thread. Each thread has a store connection of its own for it, so that the
    lock holds off other threads too and ends with its own block.

    ``key`` is a Fernet key (``NETTERMS_KEY``); raises ``ValueError`` when it is none.
    """

    def __init__(self, path: Path, key: str, record: type[T]) -> None:
        self._path = path
        self._record = record
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise ValueError("NETTERMS_KEY must be 32 random bytes in URL-safe base64") from None
        self._own = threading.local()

    def lock(self) -> AbstractContextManager[None]:
        """Hold the store's write lock until the block ends."""
        return self._open().transaction()

    def load(self, connection: str) -> T | None:
        """Return a connection's token; raises ``ValueError`` when the key does not open it."""
        sealed: Any = self._open().one("SELECT sealed FROM tokens WHERE connection=?", connection)
        if sealed is None:
            return None
        try:
            opened = msgspec.json.decode(self._fernet.decrypt(sealed), type=_Sealed)
        except InvalidToken:
            raise ValueError(
                f"NETTERMS_KEY does not open the token of {connection}: use the key it was saved with"
            ) from None
        if opened.connection != connection:
            raise ValueError(f"the token stored for {connection} belongs to {opened.connection}: connect it anew")
        return msgspec.json.decode(opened.token, type=self._record)

    def save(self, connection: str, token: T) -> None:
        """Keep a connection's token."""
        content = msgspec.json.encode(_Sealed(connection, msgspec.Raw(msgspec.json.encode(token))))
        self._open().execute(
            "INSERT INTO tokens (connection, sealed) VALUES (?, ?)"
            " ON CONFLICT (connection) DO UPDATE SET sealed=excluded.sealed",
            connection,
            self._fernet.encrypt(content),
        )

    def _open(self) -> Store:
        if not hasattr(self._own, "store"):
            self._own.store = Store(self._path)
        return cast(Store, self._own.store)
