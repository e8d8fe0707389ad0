"""The outbox: what must exist at a vendor, and how far each is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from store import outbox
from store.database import IntegrityError, Store
from store.outbox import Intent, State
from tests.store.build import NOW


def add(store: Store, *our_ids: int, connection: str = "books", kind: str = "document") -> None:
    for our_id in our_ids:
        outbox.add(store, connection, kind, our_id, {"number": our_id})


def waiting(store: Store, state: State = "new") -> list[Intent]:
    return outbox.waiting(store, "books", "document", state)


def ours(store: Store, state: State = "new") -> list[int]:
    return [intent.our_id for intent in waiting(store, state)]


def test_an_intent_waits_with_what_is_to_be_sent(store: Store) -> None:
    add(store, 1, 2)
    add(store, 3, kind="payment")
    add(store, 4, connection="other")
    first, second = waiting(store)
    assert (first.our_id, first.state, first.call_key, first.attempts) == (1, "new", "", 0)
    assert first.payload == '{"number":1}'
    assert first.payload_hash != second.payload_hash


def test_an_object_is_meant_for_a_vendor_once(store: Store) -> None:
    add(store, 1)
    with pytest.raises(IntegrityError):
        add(store, 1)
    outbox.add(store, "books", "document", 1, {}, currency="EUR")  # a customer may exist once per currency
    assert outbox.has(store, "books", "document", 1)
    assert outbox.has(store, "books", "document", 1, "EUR")
    assert not outbox.has(store, "books", "document", 1, "GBP")
    assert not outbox.has(store, "books", "payment", 1)


def test_a_call_is_committed_to_with_its_key_and_counted(store: Store) -> None:
    add(store, 1, 2, 3)
    outbox.mark_sending(store, waiting(store)[:2], "key-1", NOW)
    assert [(i.our_id, i.call_key, i.attempts) for i in waiting(store, "sending")] == [(1, "key-1", 1), (2, "key-1", 1)]
    assert ours(store) == [3]
    one, two = waiting(store, "sending")
    assert one.call_hash == two.call_hash == outbox.call_hash([one, two]) != outbox.call_hash([two, one])
    assert one.sent_at == NOW


def test_what_a_stopped_process_left_as_being_sent_is_uncertain(store: Store) -> None:
    add(store, 1, 2)
    add(store, 3, connection="other")
    outbox.mark_sending(store, waiting(store)[:1], "key-1", NOW)
    outbox.mark_sending(store, outbox.waiting(store, "other", "document", "new"), "key-2", NOW)
    assert outbox.recover(store, "books", "document") == 1
    assert outbox.recover(store, "books", "document") == 0
    (intent,) = waiting(store, "uncertain")
    assert (intent.our_id, intent.call_key) == (1, "key-1")
    assert len(outbox.waiting(store, "other", "document", "sending")) == 1


def test_what_was_absent_at_the_vendor_goes_out_again_under_its_old_key(store: Store) -> None:
    add(store, 1)
    outbox.mark_sending(store, waiting(store), "key-1", NOW)
    outbox.recover(store, "books", "document")
    outbox.mark(store, waiting(store, "uncertain"), "new")
    (intent,) = waiting(store)
    assert (intent.call_key, intent.attempts) == ("key-1", 1)


def test_what_was_rejected_loses_its_key(store: Store) -> None:
    add(store, 1)
    outbox.mark_sending(store, waiting(store), "key-1", NOW)
    outbox.mark(store, waiting(store, "sending"), "parked", "duplicate number", keep_key=False)
    (intent,) = waiting(store, "parked")
    assert (intent.call_key, intent.problem) == ("", "duplicate number")
    assert (intent.call_hash, intent.sent_at) == ("", None)


def test_the_age_of_a_key_counts_from_its_first_use_and_its_doubts_go_with_it(store: Store) -> None:
    add(store, 1)
    later = NOW + timedelta(minutes=5)
    outbox.mark_sending(store, waiting(store), "key-1", NOW)
    outbox.mark_absent(store, waiting(store, "sending"), NOW)
    outbox.mark_sending(store, waiting(store, "sending"), "key-1", later)
    (same,) = waiting(store, "sending")
    assert (same.sent_at, same.absent_at) == (NOW, NOW)
    outbox.mark_sending(store, [same], "key-2", later)
    (other,) = waiting(store, "sending")
    assert (other.sent_at, other.absent_at) == (later, None)


def test_what_was_seen_before_a_call_says_nothing_of_a_call_that_may_have_happened(store: Store) -> None:
    add(store, 1, 2)
    outbox.mark_sending(store, waiting(store), "key-1", NOW)
    outbox.mark_absent(store, waiting(store, "sending"), NOW)
    outbox.mark_unknown(store, waiting(store, "sending")[:1], "the answer was lost")
    outbox.recover(store, "books", "document")  # the process stopped before it noted the other
    assert [(intent.our_id, intent.absent_at) for intent in waiting(store, "uncertain")] == [(1, None), (2, None)]


def test_a_payload_that_is_not_the_committed_one_is_noticed(store: Store) -> None:
    add(store, 1)
    assert waiting(store)[0].is_whole
    store.execute("UPDATE outbox SET payload='{\"number\":2}'")
    assert not waiting(store)[0].is_whole


def test_those_that_went_out_together_stand_together_before_the_ones_that_never_did(store: Store) -> None:
    add(store, 1, 2, 3, 4, 5)
    one, two, three, four, _ = waiting(store)
    outbox.mark_sending(store, [two, four], "key-a", NOW)
    outbox.mark_sending(store, [one, three], "key-b", NOW)
    outbox.mark(store, [one, two, three, four], "new")
    assert ours(store) == [1, 3, 2, 4, 5]


def test_a_parked_intent_is_taken_out_to_be_built_anew(store: Store) -> None:
    add(store, 1, 2)
    outbox.mark(store, waiting(store)[:1], "parked", "no such item")
    (parked,) = waiting(store, "parked")
    assert outbox.retry(store, parked.id)
    assert not outbox.has(store, "books", "document", 1)
    add(store, 1)
    assert [(intent.our_id, intent.look) for intent in waiting(store)] == [(2, False), (1, True)]
    outbox.forget(store, "books", "document", [1])
    assert not outbox.retry(store, parked.id)
    assert not outbox.retry(store, waiting(store)[0].id)  # what is not parked stays
    assert ours(store) == [2]


def test_a_parked_intent_can_be_looked_up_again(store: Store) -> None:
    add(store, 1)
    assert not outbox.unpark(store, waiting(store)[0].id, "it is the one")
    outbox.mark(store, waiting(store), "parked", "another name")
    assert outbox.unpark(store, waiting(store, "parked")[0].id, "it is the one")
    assert [(intent.our_id, intent.problem) for intent in waiting(store, "uncertain")] == [(1, "it is the one")]


def test_parked_intents_and_those_booked_differently_need_a_person(store: Store) -> None:
    add(store, 1, 2, 3, 4)
    one, two, three, _ = waiting(store)
    outbox.mark(store, [one], "parked", "refused")
    outbox.mark(store, [two], "done")
    outbox.mark(store, [three], "done", "the total differs")
    assert [intent.our_id for intent in outbox.needing_person(store, "books", "document")] == [1, 3]


def test_a_state_that_does_not_exist_is_refused(store: Store) -> None:
    add(store, 1)
    with pytest.raises(IntegrityError):
        store.execute("UPDATE outbox SET state='lost'")


def test_what_another_app_made_is_done_without_having_been_sent(store: Store) -> None:
    add(store, 1)
    outbox.adopt(store, "books", "document", 2, {"ref": {"id": "V-2"}})
    assert ours(store) == [1]
    assert outbox.adopted(store, "books", "document") == {2: "V-2"}
    assert outbox.known(store, "books", "document") == {1, 2}
    outbox.forget(store, "books", "document", [2])
    assert outbox.known(store, "books", "document") == {1}


def test_what_somebody_else_writes_from_now_on_is_withdrawn_but_not_what_is_done(store: Store) -> None:
    add(store, 1, 2, 3)
    one, two, _ = waiting(store)
    outbox.mark(store, [one], "done")
    outbox.mark(store, [two], "parked", "refused")
    assert outbox.withdraw(store, "books", "document") == 2
    assert outbox.known(store, "books", "document") == {1}


# -------------------------------------------------------------------------------------------------- what goes out next


def following(store: Store, size: int) -> list[int]:
    """Return the intents that go out next."""
    return [intent.our_id for intent in outbox.next_batch(store, "books", "document", size, NOW)]


def test_the_next_batch_is_the_oldest_that_wait_and_no_larger_than_the_vendor_takes(store: Store) -> None:
    add(store, 1, 2, 3)
    add(store, 4, kind="payment")
    assert following(store, 2) == [1, 2]
    outbox.mark(store, waiting(store)[:2], "done")
    assert (following(store, 2), outbox.count_ready(store, "books", "document", NOW)) == ([3], 1)
    outbox.mark(store, waiting(store), "done")
    assert (following(store, 2), outbox.count_ready(store, "books", "document", NOW)) == ([], 0)


def test_what_went_out_together_goes_out_together_again_before_what_is_new(store: Store) -> None:
    add(store, 1, 2, 3, 4)
    outbox.mark_sending(store, waiting(store)[1:3], "key-1", NOW)
    outbox.mark(store, waiting(store, "sending"), "new")
    assert following(store, 10) == [2, 3]


def test_what_failed_together_goes_out_alone(store: Store) -> None:
    add(store, 1, 2, 3)
    for _ in range(2):
        outbox.mark_sending(store, [one for one in waiting(store) if one.our_id != 3], "", NOW)
        outbox.mark(store, waiting(store, "sending"), "new", keep_key=False)
    assert following(store, 10) == [3]
    outbox.mark(store, [one for one in waiting(store) if one.our_id == 3], "done")
    assert following(store, 10) == [1]


def test_what_is_put_off_does_not_go_out_before_its_time(store: Store) -> None:
    add(store, 1, 2)
    outbox.postpone(store, waiting(store)[:1], NOW + timedelta(hours=1))
    assert following(store, 10) == [2]


def test_what_may_be_there_already_is_looked_up_some_at_a_time(store: Store) -> None:
    add(store, 1, 2)
    for our_id in (3, 4, 5):
        outbox.add(store, "books", "document", our_id, {}, look=True)

    def unseen(*, every: bool) -> list[list[int]]:
        pages = outbox.unseen(store, "books", "document", 2, every=every)
        return [[intent.our_id for intent in page] for page in pages]

    assert unseen(every=False) == [[3, 4], [5]]
    assert unseen(every=True) == [[1, 2], [3, 4], [5]]
