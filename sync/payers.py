"""Who paid: the customer behind a payment provider's customer, mail address or name."""

from __future__ import annotations

from collections import defaultdict

from connectors.base import ReceivedPayment
from store import links
from store.database import Store


class Payers:
    """Recognises payers, strongest evidence first; two customers that fit alike are none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._linked: dict[str, dict[str, int]] = {}
        self._by_email: dict[str, set[int]] = defaultdict(set)
        self._by_name: dict[str, set[int]] = defaultdict(set)
        for row in links.customers(store).values():
            customer = row.customer
            self._by_email[customer.email.casefold()].add(row.id)
            self._by_name[_folded(customer.name)].add(row.id)
        for index in (self._by_email, self._by_name):
            index.pop("", None)

    def customer(self, connection: str, payment: ReceivedPayment) -> int | None:
        """Return the customer who paid: by stored link, then by exact mail address, then by exact name."""
        linked = self._links(connection).get(payment.customer_id)
        if linked is not None:
            return linked
        for found in (
            self._by_email.get(payment.customer_email.casefold()),
            self._by_name.get(_folded(payment.customer_name)),
        ):
            if found is not None and len(found) == 1:
                return next(iter(found))
        return None

    def learn(self, connection: str, payment: ReceivedPayment, customer_id: int) -> bool:
        """Say whether the provider's customer is not linked yet; from now on it is ``customer_id``."""
        known = self._links(connection)
        if not payment.customer_id or payment.customer_id in known:
            return False
        known[payment.customer_id] = customer_id
        return True

    def _links(self, connection: str) -> dict[str, int]:
        if connection not in self._linked:
            self._linked[connection] = links.by_vendor(self._store, connection, "payer")
        return self._linked[connection]


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
