"""Review items: the same cause is the same item, which closes by itself when the cause is gone."""

from __future__ import annotations

from store import audit, review
from store.database import Store
from store.review import Finding, Item
from tests.store.build import ADA


def finding(subject: str = "deal:1", message: str = "no currency", detail: str = "") -> Finding:
    return Finding(code="no_currency", subject=subject, detail=detail, message=message, fix="set it")


def record(store: Store, *found: Finding, complete: bool = True, job: str = "map_terms") -> tuple[int, int]:
    with store.transaction():
        return review.record(store, ADA, job, found, complete=complete)


def items(store: Store) -> list[tuple[str, str]]:
    return [(item.subject, item.message) for item in review.open_items(store)]


def the_item(store: Store) -> Item:
    (found,) = review.open_items(store)
    return found


def test_a_finding_opens_an_item_with_the_actions_open_to_a_person(store: Store) -> None:
    assert record(store, Finding(code="c", subject="s", message="m", fix="f", actions=("apply", "dismiss"))) == (1, 0)
    item = the_item(store)
    assert (item.code, item.subject, item.fix, item.choices) == ("c", "s", "f", ["apply", "dismiss"])
    assert review.get(store, item.id) == item
    assert review.get(store, 99) is None


def test_the_same_cause_found_again_is_the_same_item(store: Store) -> None:
    record(store, finding())
    before = audit.head(store)
    assert record(store, finding()) == (0, 0)
    assert record(store, finding(), finding()) == (0, 0)
    assert audit.head(store) == before
    assert len(review.open_items(store)) == 1


def test_another_subject_or_detail_is_another_cause(store: Store) -> None:
    assert record(store, finding(), finding("deal:2"), finding(detail="price")) == (3, 0)


def test_other_words_for_the_same_cause_change_the_item(store: Store) -> None:
    record(store, finding())
    number = the_item(store).id
    assert record(store, finding(message="no currency since Monday")) == (0, 0)
    assert (the_item(store).id, the_item(store).message) == (number, "no currency since Monday")


def test_an_item_closes_by_itself_when_its_cause_is_gone(store: Store) -> None:
    record(store, finding(), finding("deal:2"))
    assert record(store, finding("deal:2")) == (0, 1)
    assert items(store) == [("deal:2", "no currency")]


def test_a_run_that_could_not_see_everything_closes_nothing(store: Store) -> None:
    record(store, finding())
    assert record(store, finding("deal:2"), complete=False) == (1, 0)
    assert [subject for subject, _ in items(store)] == ["deal:1", "deal:2"]


def test_one_jobs_run_does_not_close_anothers_items(store: Store) -> None:
    record(store, finding())
    assert record(store, job="pull_deals") == (0, 0)
    assert len(review.open_items(store)) == 1


def test_a_cause_that_comes_back_opens_its_item_again(store: Store) -> None:
    record(store, finding())
    number = the_item(store).id
    record(store)
    assert record(store, finding()) == (1, 0)
    assert the_item(store).id == number


def test_a_dismissed_item_stays_dismissed_while_its_cause_stays(store: Store) -> None:
    record(store, finding())
    review.decide(store, ADA, the_item(store), "dismiss", "known")
    assert record(store, finding()) == (0, 0)
    assert review.open_items(store) == []


def test_a_dismissed_item_whose_cause_says_something_else_opens_again(store: Store) -> None:
    record(store, finding())
    review.decide(store, ADA, the_item(store), "dismiss", "known")
    assert record(store, finding(message="now 5,000.00 are at stake")) == (1, 0)
    assert items(store) == [("deal:1", "now 5,000.00 are at stake")]


def test_a_dismissed_item_whose_cause_was_gone_in_between_opens_again(store: Store) -> None:
    record(store, finding())
    review.decide(store, ADA, the_item(store), "dismiss", "known")
    record(store)
    assert record(store, finding()) == (1, 0)


def test_a_decision_closes_the_item_and_stands_in_the_trail_with_its_reason(store: Store) -> None:
    record(store, finding())
    item = the_item(store)
    review.decide(store, ADA, item, "apply", "as agreed by mail")
    assert review.open_items(store) == []
    last = audit.entries(store, f"review:{item.id}")[-1]
    assert (last.actor, last.action, last.reason) == ("person ada", "review apply", "as agreed by mail")


def test_a_decision_that_mended_nothing_is_asked_for_again(store: Store) -> None:
    record(store, finding())
    review.decide(store, ADA, the_item(store), "apply", "as agreed")
    assert record(store, finding()) == (1, 0)


def test_what_is_open_about_a_contract_counts_before_what_was_dismissed_of_the_same_code(store: Store) -> None:
    found = [finding("contract:A", detail=detail) for detail in ("price", "start")]
    record(store, *found, finding("contract:B"), finding("deal:1"), job="plan_invoices")
    first, second, *_ = review.open_items(store)
    with store.transaction():
        review.decide(store, ADA, first, "dismiss", "meant so")
    assert review.about_contracts(store, "plan_invoices") == {
        "A": {"no_currency": "open"},
        "B": {"no_currency": "open"},
    }
    with store.transaction():
        review.decide(store, ADA, second, "dismiss", "meant so")
    record(store, *found, job="plan_invoices")
    assert review.about_contracts(store, "plan_invoices") == {"A": {"no_currency": "dismissed"}}
    assert review.about_contracts(store, "map_terms") == {}
