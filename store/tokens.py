"""OAuth tokens, encrypted with keys that are never in the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from store.database import Store
from store.locks import Locks

T = TypeVar("T")


class _Sealed(msgspec.Struct, frozen=True):
    connection: str  # inside the seal, as Fernet binds no context: rows cannot be swapped
    token: msgspec.Raw


class Tokens(Generic[T]):
    """Keeps one token per connection, for any thread; each thread has a store connection of its own for it.

    ``key`` is a Fernet key (``NETTERMS_KEY``), or several with commas between them: the first one seals, any opens.
    Raises ``ValueError`` when one is none.
    """

    def __init__(self, path: Path, key: str, record: type[T]) -> None:
        self._path = path
        self._record = record
        try:
            self._fernets = [Fernet(one.strip()) for one in key.split(",")]
        except ValueError:
            raise ValueError("NETTERMS_KEY must be 32 random bytes in URL-safe base64") from None
        self._fernet = MultiFernet(self._fernets)
        self._locks = Locks(path)
        self._own = threading.local()

    @contextmanager
    def lock(self, connection: str) -> Iterator[None]:
        """Hold off every other thread and process that would renew this connection's token, until the block ends.

        It is no lock of the store: nobody else waits while a vendor takes its time to answer. Raises ``TimeoutError``
        when whoever holds it does not come to an end.
        """
        with self._locks.hold(f"token {connection}"):
            yield

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

    def seal_anew(self) -> int:
        """Seal with the first key what another one sealed; return how many tokens that were.

        What no key opens, and what is being renewed, stays as it is: whoever uses that token is told.
        """
        changed = 0
        for connection, sealed in self._open().tuples("SELECT connection, sealed FROM tokens ORDER BY connection"):
            with suppress(TimeoutError), self.lock(connection):
                if _opens(self._fernets[0], sealed) or not _opens(self._fernet, sealed):
                    continue
                found = self.load(connection)
                if found is not None:
                    self.save(connection, found)
                    changed += 1
        return changed

    def _open(self) -> Store:
        if not hasattr(self._own, "store"):
            self._own.store = Store(self._path)
        return cast(Store, self._own.store)


def _opens(key: Fernet | MultiFernet, sealed: bytes) -> bool:
    try:
        key.decrypt(sealed)
    except InvalidToken:
        return False
    return True
