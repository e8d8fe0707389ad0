"""Tokens lie in the store sealed, and a row that was moved or a wrong key is noticed."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from store.database import Store
from store.tokens import Tokens

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


class Token(msgspec.Struct, frozen=True):
    """Something to keep secret."""

    access: str


def opened(path: Path, key: str = KEY) -> Tokens[Token]:
    return Tokens(path, key, Token)


def test_a_token_is_kept_until_a_newer_one_takes_its_place(path: Path) -> None:
    tokens = opened(path)
    assert tokens.load("books") is None
    tokens.save("books", Token("first"))
    tokens.save("books", Token("second"))
    assert opened(path).load("books") == Token("second")


def test_the_file_shows_nothing_of_a_token(path: Path) -> None:
    opened(path).save("books", Token("very-secret-token"))
    with Store(path) as store:
        ((sealed,),) = store.tuples("SELECT sealed FROM tokens")
    assert b"very-secret" not in sealed
    everything = b"".join(file.read_bytes() for file in path.parent.rglob("*") if file.is_file())
    assert b"books" in everything
    assert b"very-secret" not in everything


def test_another_key_does_not_open_a_token_and_is_told_so(path: Path) -> None:
    opened(path).save("books", Token("first"))
    with pytest.raises(ValueError, match="NETTERMS_KEY does not open the token of books"):
        opened(path, Fernet.generate_key().decode()).load("books")


def test_a_token_that_was_tampered_with_does_not_open(path: Path, store: Store) -> None:
    opened(path).save("books", Token("first"))
    ((sealed,),) = store.tuples("SELECT sealed FROM tokens")
    store.execute("UPDATE tokens SET sealed=?", sealed[:-10] + b"AAAAAAAAA=")
    with pytest.raises(ValueError, match="does not open"):
        opened(path).load("books")


def test_swapped_rows_are_noticed(path: Path, store: Store) -> None:
    tokens = opened(path)
    tokens.save("uk", Token("of the UK"))
    tokens.save("us", Token("of the US"))
    for old, new in (("uk", "x"), ("us", "uk"), ("x", "us")):
        store.execute("UPDATE tokens SET connection=? WHERE connection=?", new, old)
    with pytest.raises(ValueError, match="the token stored for uk belongs to us"):
        tokens.load("uk")


@pytest.mark.parametrize("key", ["", "short", "x" * 44, KEY[:-4]])
def test_a_key_that_is_none_is_refused_at_once(path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="NETTERMS_KEY must be 32 random bytes"):
        opened(path, key)


def test_whoever_renews_a_token_holds_up_no_other_writer_of_the_store(path: Path) -> None:
    tokens = opened(path)
    with Store(path) as other:
        other.execute("PRAGMA busy_timeout=1")
        with tokens.lock("books"), other.transaction():
            pass


def test_a_lock_is_for_one_connection_and_across_everyone_who_opened_the_store(path: Path) -> None:
    order = []

    def renew() -> None:
        with opened(path).lock("books"):
            order.append("second")

    with opened(path).lock("books"):
        thread = threading.Thread(target=renew)
        thread.start()
        with opened(path).lock("another"):
            order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_what_was_saved_is_kept_though_the_lock_ends_with_an_error(path: Path) -> None:
    """The vendor has changed the refresh token: losing the new one would lose the connection."""
    tokens = opened(path)
    with pytest.raises(ZeroDivisionError), tokens.lock("books"):
        tokens.save("books", Token("first"))
        raise ZeroDivisionError
    assert opened(path).load("books") == Token("first")


def test_a_key_is_changed_by_naming_both_for_a_while(path: Path) -> None:
    new = Fernet.generate_key().decode()
    opened(path).save("uk", Token("of the UK"))
    both = opened(path, f"{new}, {KEY}")
    assert both.load("uk") == Token("of the UK")
    both.save("us", Token("of the US"))
    assert opened(path, new).load("us") == Token("of the US")
    assert both.seal_anew() == 1
    assert both.seal_anew() == 0
    assert opened(path, new).load("uk") == Token("of the UK")


def test_what_no_key_opens_is_left_as_it_is_when_keys_change(path: Path) -> None:
    opened(path, Fernet.generate_key().decode()).save("uk", Token("lost"))
    assert opened(path, f"{Fernet.generate_key().decode()},{KEY}").seal_anew() == 0


def test_every_one_of_several_keys_must_be_one(path: Path) -> None:
    with pytest.raises(ValueError, match="NETTERMS_KEY must be 32 random bytes"):
        opened(path, f"{KEY},")
