"""Contracts: the terms in force, terms that wait for a person, and slices settled without an invoice of ours."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from billing.invoicing import Settled
from billing.plan import Line
from billing.terms import BillingContact, Terms
from store import audit, versions
from store.audit import Actor
from store.database import Store, to_json

HeldDecision = Literal["bill_again", "waived", "elsewhere"]
State = Literal["active", "held", "parked", "closed"]
Relation = Literal["", "new", "amendment", "renewal"]
MANUAL = "manual"  # in place of a CRM: no deal stands behind it
NEW = "new"  # why a contract is held until it was compared with its customer's others


class ContractRow(msgspec.Struct, frozen=True, kw_only=True):
    """A contract. ``proposed``: terms from a changed deal that wait; ``refused``: the digest of some not wanted.

    ``billed_through``: service that starts up to this day was billed elsewhere, as a person said when we began.
    ``state``: only an ``active`` contract is billed. ``held`` waits for a person's answer, ``parked`` for its deal to
    be won again, ``closed`` is over for good; ``why`` says so in words. ``relates_to``: the contract it amends or
    renews. ``ended_on``: the last day of service that a person decided on, whatever the deal says. ``effect``: what
    applying the proposed terms would bill or credit, in words. ``by_hand``: a person wrote the terms in force; they
    stand until the deal says something else than it did then, which is ``mapped`` (the digest of its mapped terms).
    """

    key: str
    entity: str
    customer_id: int
    crm: str
    deal_id: str
    name: str
    version: int
    digest: str
    terms: str
    proposed: str | None
    refused: str | None
    billed_through: date | None = None
    state: State = "active"
    why: str = ""
    relation: Relation = ""
    relates_to: str | None = None
    ended_on: date | None = None
    effect: str = ""
    by_hand: bool = False
    mapped: str = ""

    @property
    def agreed(self) -> Terms:
        """The terms in force as the deal or a person wrote them."""
        return msgspec.json.decode(self.terms, type=Terms)

    @property
    def current(self) -> Terms:
        """The terms in force, as they are billed."""
        return self.as_billed(self.agreed)

    def as_billed(self, terms: Terms) -> Terms:
        """Return ``terms`` with what was billed elsewhere before we began."""
        days = [day for day in (terms.billed_through, self.billed_through) if day is not None]
        return msgspec.structs.replace(terms, billed_through=max(days)) if self.billed_through else terms


def unknown_customers(store: Store, entity: str, connection: str) -> set[tuple[int, str]]:
    """Return (customer, currency) of an entity's contracts for which the ledger has no customer yet."""
    sql = (
        "SELECT DISTINCT c.customer_id, c.terms ->> 'currency' FROM contracts c WHERE c.entity=?1 AND NOT EXISTS"
        " (SELECT 1 FROM links l WHERE l.connection=?2 AND l.kind='customer' AND l.our_id=c.customer_id"
        " AND l.currency=c.terms ->> 'currency')"
    )
    return set(store.tuples(sql, entity, connection))


def digest(terms: Terms) -> str:
    """Return the hash by which two versions of terms are known to be the same."""
    return hashlib.sha256(to_json(terms).encode()).hexdigest()


def all_contracts(store: Store) -> list[ContractRow]:
    """Return every contract in order of its key."""
    return store.rows(ContractRow, "SELECT * FROM contracts ORDER BY key")


def get(store: Store, key: str) -> ContractRow | None:
    """Return one contract."""
    return store.first(ContractRow, "SELECT * FROM contracts WHERE key=?", key)


def billing_contact(store: Store, key: str) -> BillingContact | None:
    """Return who gets the invoices of a contract, where its terms say so."""
    found = store.one("SELECT terms -> 'billing_contact' FROM contracts WHERE key=?", key)
    return None if found is None else msgspec.json.decode(found, type=BillingContact)


def keys(store: Store) -> list[str]:
    """Return the key of every contract, sorted."""
    return [key for (key,) in store.tuples("SELECT key FROM contracts ORDER BY key")]


def of_customer(store: Store, customer_id: int) -> list[str]:
    """Return the keys of a customer's active contracts, sorted."""
    sql = "SELECT key FROM contracts WHERE customer_id=? AND state='active' ORDER BY key"
    return [key for (key,) in store.tuples(sql, customer_id)]


def create(
    store: Store, actor: Actor, terms: Terms, *, entity: str, customer_id: int, crm: str, deal_id: str, name: str,
    relation: Relation = "", relates_to: str | None = None, state: State = "active", why: str = "",
) -> None:  # fmt: skip
    """Add a contract."""
    store.insert(
        "contracts",
        key=terms.contract,
        entity=entity,
        customer_id=customer_id,
        crm=crm,
        deal_id=deal_id,
        name=name,
        version=1,
        digest=digest(terms),
        terms=to_json(terms),
        relation=relation,
        relates_to=relates_to,
        state=state,
        why=why,
    )
    versions.add(store, actor, 1, terms, "")
    audit.write(store, actor, "created", f"contract:{terms.contract}", after=terms)


def describe(
    store: Store, row: ContractRow, *, entity: str, customer_id: int, name: str, relation: Relation = "",
    relates_to: str | None = None,
) -> None:  # fmt: skip
    """Keep in step what only describes a contract."""
    wanted = (entity, customer_id, name, relation, relates_to)
    if (row.entity, row.customer_id, row.name, row.relation, row.relates_to) != wanted:
        store.execute(
            "UPDATE contracts SET entity=?, customer_id=?, name=?, relation=?, relates_to=? WHERE key=?",
            *wanted,
            row.key,
        )


def set_state(store: Store, actor: Actor, row: ContractRow, state: State, why: str) -> bool:
    """Say whether and why a contract is not billed; returns whether that is new."""
    if (row.state, row.why) == (state, why):
        return False
    store.execute("UPDATE contracts SET state=?, why=? WHERE key=?", state, why, row.key)
    if (state, row.why) == ("active", NEW):
        return False
    audit.write(store, actor, state, f"contract:{row.key}", before={"state": row.state}, reason=why or row.why)
    return True


def take_over(store: Store, actor: Actor, row: ContractRow, deal_id: str) -> None:
    """Follow a merge of deals: the surviving deal speaks for the contract, which keeps its key."""
    store.execute("UPDATE contracts SET deal_id=? WHERE key=?", deal_id, row.key)
    before, after = {"deal": row.deal_id}, {"deal": deal_id}
    audit.write(store, actor, "deal merged", f"contract:{row.key}", before=before, after=after)


def swap_deals(store: Store, one: ContractRow, other: ContractRow) -> None:
    """Let two contracts of merged deals change their deals."""
    for key, deal_id in ((one.key, f"{one.deal_id} swapped"), (other.key, one.deal_id), (one.key, other.deal_id)):
        store.execute("UPDATE contracts SET deal_id=? WHERE key=?", deal_id, key)


def close(store: Store, actor: Actor, row: ContractRow, why: str, heir: str) -> None:
    """End a contract without credit; what it has settled counts as billed elsewhere for the contract ``heir``."""
    set_state(store, actor, row, "closed", why)
    store.execute("UPDATE contracts SET relates_to=? WHERE key=?", heir, row.key)
    done = [one for one in settled(store, row.key) if one.how != "issued" or one.amount]
    moved = [Settled(slice=f"{heir}/{one.slice.partition('/')[2]}", how="elsewhere") for one in done]
    own = {one.slice for one in settled(store, heir)}
    settle(store, actor, heir, [one for one in moved if one.slice not in own], f"settled by contract {row.key}")


def end(store: Store, actor: Actor, row: ContractRow, last_day: date, reason: str, *, for_good: bool) -> None:
    """End a contract early; what was billed beyond is credited with its next plan.

    ``for_good``: the end stands whatever the deal says. Raises ``ValueError`` for a day before the contract's start.
    """
    terms = row.agreed
    if last_day < terms.starts_on:
        raise ValueError(f"contract {row.key} starts on {terms.starts_on}: its last day cannot lie before that")
    if for_good:
        store.execute("UPDATE contracts SET ended_on=? WHERE key=?", last_day.isoformat(), row.key)
    replace_terms(store, actor, row, ended(terms, last_day), reason, by_hand=row.by_hand and for_good)


def ended(terms: Terms, last_day: date) -> Terms:
    """Return terms that end on a day, whatever they or their amendments say of extending or renewing."""
    amendments = tuple(
        msgspec.structs.replace(one, renewal=None, ends_on=None if one.ends_on is None else min(one.ends_on, last_day))
        for one in terms.amendments
    )
    return msgspec.structs.replace(terms, ends_on=last_day, renewal=None, amendments=amendments)


def touch(store: Store, key: str) -> None:
    """Let a contract be planned anew from its beginning, whatever the last planning found."""
    store.execute("UPDATE contracts SET changes=changes+1 WHERE key=?", key)


def answers(store: Store) -> dict[str, str]:
    """Return what people answered to questions about contracts and customers, by question."""
    return dict(store.tuples("SELECT question, answer FROM answers"))


def answer(store: Store, question: str, given: str | None) -> None:
    """Remember a person's answer for as long as its question stands; None forgets it."""
    if given is None:
        store.execute("DELETE FROM answers WHERE question=?", question)
    else:
        store.execute(
            "INSERT INTO answers (question, answer) VALUES (?, ?)"
            " ON CONFLICT (question) DO UPDATE SET answer=excluded.answer",
            question,
            given,
        )


def replace_terms(
    store: Store, actor: Actor, row: ContractRow, terms: Terms, reason: str = "", *, by_hand: bool = False
) -> None:
    """Put new terms in force as the next version; nothing that waited stays.

    ``by_hand``: a person wrote them, as amendments are in any case, which no deal knows of.
    """
    store.execute(
        "UPDATE contracts SET version=version+1, digest=?, terms=?, proposed=NULL, effect='', by_hand=? WHERE key=?",
        digest(terms),
        to_json(terms),
        int(by_hand or bool(terms.amendments)),
        row.key,
    )
    versions.add(store, actor, int(store.one("SELECT version FROM contracts WHERE key=?", row.key)), terms, reason)
    audit.write(store, actor, "terms", f"contract:{row.key}", before=row.current, after=terms, reason=reason)


def note_mapped(store: Store, row: ContractRow, mapped: str) -> None:
    """Remember what the deal says while the terms in force answer to it."""
    if row.mapped != mapped:
        store.execute("UPDATE contracts SET mapped=? WHERE key=?", mapped, row.key)


def propose_terms(store: Store, actor: Actor, row: ContractRow, terms: Terms | None, effect: str = "") -> None:
    """Let changed terms wait for a person, with what applying them would do; None takes back what waited."""
    data = None if terms is None else to_json(terms)
    if (row.proposed, row.effect) != (data, effect):
        store.execute("UPDATE contracts SET proposed=?, effect=? WHERE key=?", data, effect, row.key)
    if row.proposed != data:
        audit.write(store, actor, "proposed", f"contract:{row.key}", after=terms)


def any_proposed(store: Store) -> bool:
    """Say whether a change of terms waits for a person."""
    return store.one("SELECT 1 FROM contracts WHERE proposed IS NOT NULL LIMIT 1") is not None


def refuse_terms(store: Store, actor: Actor, row: ContractRow, reason: str) -> None:
    """Keep the terms in force; the same change in the CRM is not proposed again."""
    assert row.proposed is not None
    refused = hashlib.sha256(row.proposed.encode()).hexdigest()
    store.execute("UPDATE contracts SET proposed=NULL, effect='', refused=? WHERE key=?", refused, row.key)
    audit.write(store, actor, "kept", f"contract:{row.key}", reason=reason)


def issued_contracts(store: Store) -> set[str]:
    """Return the contracts for which something was issued."""
    return {key for (key,) in store.tuples("SELECT DISTINCT contract FROM lines")}


def settled(store: Store, contract: str) -> list[Settled]:
    """Return every settled slice of a contract: issued ones with their sum and latest line, and the others."""
    return settled_of(store, {contract: None})[contract]


def settled_of(store: Store, since: Mapping[str, date | None]) -> dict[str, list[Settled]]:
    """Return the settled slices of many contracts: of what we issued, only lines due after a day if that is given."""
    keys = list(since)
    marks = ", ".join("?" * len(keys))
    found: dict[str, dict[str, Settled]] = {key: {} for key in keys}
    # What was voided in the books no longer counts as billed, but its revisions are never used again.
    issued = (
        "SELECT l.contract, l.slice, l.revision, CASE WHEN d.status='voided' THEN 0"
        " WHEN d.type='credit_note' THEN -l.amount ELSE l.amount END, d.against<>'', l.data"
        " FROM lines l JOIN documents d ON d.id=l.document_id WHERE l.contract IN ({}) AND l.issue_on>?"
        " ORDER BY l.slice, l.revision"
    )
    for day, of in _by_day(since).items():
        for key, *line in store.tuples(issued.format(", ".join("?" * len(of))), *of, day):
            found[key][line[0]] = _issued(found[key].get(line[0]), *line)
    for key, name, how in store.tuples(f"SELECT contract, slice, how FROM slices WHERE contract IN ({marks})", *keys):
        found[key][name] = Settled(slice=name, how=how)
    return {key: list(items.values()) for key, items in found.items()}


def _issued(was: Settled | None, name: str, revision: int, amount: int, given_back: bool, data: str) -> Settled:
    """Add a line to what was issued of its slice; what a person gave back of it is not billed again."""
    return Settled(
        slice=name,
        how="issued",
        amount=amount if was is None else was.amount + amount,
        revision=revision,
        line=msgspec.json.decode(data, type=Line),
        waived=(0 if was is None else was.waived) - (amount if given_back else 0),
    )


def billed_net(store: Store, keys: Sequence[str]) -> dict[str, int]:
    """Return what was issued for contracts in all, less credits, net of tax, in minor units."""
    sql = (
        "SELECT l.contract, sum(CASE WHEN d.type='credit_note' THEN -l.amount ELSE l.amount END)"
        " FROM lines l JOIN documents d ON d.id=l.document_id"
        f" WHERE d.status='issued' AND l.contract IN ({', '.join('?' * len(keys))}) GROUP BY l.contract"
    )
    return {**dict.fromkeys(keys, 0), **dict(store.tuples(sql, *keys))}


def _by_day(since: Mapping[str, date | None]) -> dict[str, list[str]]:
    """Group contracts by the day after which their lines are wanted; there are few such days in a run."""
    days: dict[str, list[str]] = defaultdict(list)
    for key, day in since.items():
        days["" if day is None else day.isoformat()].append(key)
    return days


def hold(store: Store, actor: Actor, contract: str, slices: Sequence[str], reason: str) -> None:
    """Let nothing happen to slices until a person decides."""
    settle(store, actor, contract, [Settled(slice=name, how="held") for name in slices], reason)


def held_by_contract(store: Store) -> dict[str, int]:
    """Return how many slices of each contract wait for a person's decision."""
    return dict(store.tuples("SELECT contract, count(*) FROM slices WHERE how='held' GROUP BY contract"))


def decide_held(store: Store, actor: Actor, contract: str, how: HeldDecision, reason: str) -> None:
    """Settle every held slice of a contract as a person decided."""
    if how == "bill_again":
        store.execute("DELETE FROM slices WHERE contract=? AND how='held'", contract)
    else:
        store.execute("UPDATE slices SET how=? WHERE contract=? AND how='held'", how, contract)
    audit.write(store, actor, f"held slices: {how}", f"contract:{contract}", reason=reason)


def settle(store: Store, actor: Actor, contract: str, slices: Sequence[Settled], reason: str) -> None:
    """Remember slices that are not billed by us: billed elsewhere, waived, or held for a person."""
    for item in slices:
        store.execute(
            "INSERT INTO slices (slice, contract, how) VALUES (?, ?, ?)"
            " ON CONFLICT (slice) DO UPDATE SET how=excluded.how",
            item.slice,
            contract,
            item.how,
        )
    if slices:
        found = {item.slice: item.how for item in slices}
        audit.write(store, actor, "settled", f"contract:{contract}", after=found, reason=reason)


def bill_elsewhere_through(store: Store, actor: Actor, entity: str, through: date) -> int:
    """Say for every contract of an entity that service starting up to ``through`` was billed elsewhere.

    Returns how many contracts that changes. Slices that are recorded already stay as they are.
    """
    keys = [
        key
        for (key,) in store.tuples(
            "SELECT key FROM contracts WHERE entity=? AND coalesce(billed_through, '')<>? ORDER BY key",
            entity,
            through.isoformat(),
        )
    ]
    for key in keys:
        store.execute("UPDATE contracts SET billed_through=? WHERE key=?", through.isoformat(), key)
        audit.write(store, actor, "billed elsewhere", f"contract:{key}", after={"through": through})
    return len(keys)
