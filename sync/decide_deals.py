"""What a person decides about deals that overlap, are gone or were merged, and about merged companies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from store import contracts, links
from store.audit import Actor
from store.contracts import ContractRow
from store.database import Store
from store.review import Item
from sync import companies
from sync.related import STANDALONE
from sync.standing import day_before, overlap_question

Decision = Callable[[Store, Actor, Item, str, str], None]


def _subject(item: Item) -> str:
    return item.subject.partition(":")[2]


def _contract(store: Store, key: str) -> ContractRow:
    row = contracts.get(store, key)
    if row is None:
        raise ValueError(f"there is no contract {key!r}")
    return row


def _end(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """End a contract whose deal is gone; should the deal be won again, it is asked about as a change."""
    try:
        last_day = date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"name the last day of service: --do end=YYYY-MM-DD (got {value!r})") from None
    row = _contract(store, _subject(item))
    contracts.end(store, actor, row, last_day, reason, for_good=False)
    contracts.answer(store, f"gone:{row.key}", "ended")


def _keep_billing(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    contracts.answer(store, f"gone:{_subject(item)}", "keep")


def _bill_both(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    contracts.answer(store, overlap_question(_subject(item), item.detail), "bill_both")


def _ignore_second(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    contracts.answer(store, overlap_question(_subject(item), item.detail), f"ignore:{_subject(item)}")


def _end_first(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    last_day = day_before(_contract(store, _subject(item)))
    first = _contract(store, item.detail)
    if last_day < first.agreed.starts_on:
        raise ValueError(f"both start on the same day or {first.key} later: choose bill_both or ignore_second")
    contracts.end(store, actor, first, last_day, reason, for_good=True)


def _base(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    contracts.answer(store, f"base:{_subject(item)}", _contract(store, value).key)


def _standalone(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    contracts.answer(store, f"base:{_subject(item)}", STANDALONE)


def _keep_both_contracts(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    contracts.answer(store, item.detail, "keep_both")


def _follow(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """Let one contract follow the merged deal; what the others have billed counts for it as billed elsewhere."""
    _, deal_id, listed = item.detail.split(":", 2)
    keys = listed.split(",")
    if value not in keys:
        raise ValueError(f"say which contract goes on: --do follow=KEY, one of {', '.join(keys)} (got {value!r})")
    heir = _contract(store, value)
    for other in (_contract(store, key) for key in keys if key != value):
        contracts.close(store, actor, other, f"deal {deal_id} goes on with contract {value}", heir.key)
        if other.deal_id == deal_id:
            contracts.swap_deals(store, other, heir)
    contracts.answer(store, item.detail, f"follow:{value}")


def _use_customer(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    connection, currency = item.detail.split(" ")
    known = links.by_ours(store, connection, "customer")
    if not value.isdigit() or (int(value), currency) not in known:
        raise ValueError(f"name one of the customers by its number here: --do use=NUMBER (got {value!r})")
    contracts.answer(store, companies.question(connection, currency, int(_subject(item))), value)


def _keep_both_customers(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    connection, currency = item.detail.split(" ")
    contracts.answer(store, companies.question(connection, currency, int(_subject(item))), "keep_both")


# By the item's code and the action.
DECISIONS: dict[tuple[str, str], Decision] = {
    ("deal_gone", "end"): _end,
    ("deal_gone", "keep_billing"): _keep_billing,
    ("overlap", "bill_both"): _bill_both,
    ("overlap", "end_first"): _end_first,
    ("overlap", "ignore_second"): _ignore_second,
    ("which_contract", "base"): _base,
    ("which_contract", STANDALONE): _standalone,
    ("deals_merged", "follow"): _follow,
    ("deals_merged", "keep_both"): _keep_both_contracts,
    (companies.CODE, "use"): _use_customer,
    (companies.CODE, "keep_both"): _keep_both_customers,
}

# What a person has to name with an action.
VALUES = {
    ("deal_gone", "end"): "Last day of service (YYYY-MM-DD)",
    ("which_contract", "base"): "Contract key",
    ("deals_merged", "follow"): "Contract key",
    (companies.CODE, "use"): "Customer number",
}
