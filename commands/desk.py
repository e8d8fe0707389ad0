"""Where a person at the command line works: the store and the configured world are open, and it is known who acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from app import LiveWorld, WrongInput, load_config


@contextmanager
def open_store(path: Path) -> Iterator[Any]:
    """Open the store of the configuration at ``path``."""
    from store.database import Store

    with Store(load_config(path).store) as store:
        yield store


@contextmanager
def open_desk(path: Path) -> Iterator[tuple[Any, LiveWorld]]:
    """Open the store beside the world of the configuration at ``path``."""
    from store.database import Store

    config = load_config(path)
    with Store(config.store) as store:
        yield store, LiveWorld(config, urgent=True)


def person() -> Any:
    """Return who acts at this command line, for the audit trail."""
    import getpass

    from store.audit import Actor

    return Actor(f"person {getpass.getuser()}", datetime.now(UTC))


def today_at(world: LiveWorld, entity: str) -> date:
    """Return the day that it is at a legal entity."""
    from zoneinfo import ZoneInfo

    return world.now().astimezone(ZoneInfo(world.entities[entity].timezone)).date()


@contextmanager
def as_wrong_input() -> Iterator[None]:
    """Turn what the rooms say is wrong with what the user gave into ``WrongInput``."""
    from billing.invoicing import BrokenInvariant
    from billing.terms_file import TermsFileError

    try:
        yield
    except TermsFileError:
        raise
    except (ValueError, ArithmeticError, BrokenInvariant) as error:
        raise WrongInput([str(error)]) from None


def find_contract(store: Any, key: str) -> Any:
    """Return a contract by its key; raises ``WrongInput`` when there is none."""
    from sync import set_terms

    with as_wrong_input():
        return set_terms.find(store, key)
