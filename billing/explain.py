"""Why a line has its amount: in words, and worked out once more, from the rule and the operands stored with it.

Each kind of charge has its rules in its own module (``RULES``); here they are joined.
"""

from __future__ import annotations

from billing.draft import Draft, DraftLine
from billing.kinds import fixed_price, one_time, prepaid, recurring, retainer, usage
from billing.line import Explanation, Rule
from billing.money import to_decimal
from billing.passes import commitments, contract_discounts, holdback, late_fees, termination
from billing.words import date_text as date_text
from billing.words import price_text as price_text

RULES: dict[str, Rule] = {
    **recurring.RULES,
    **one_time.RULES,
    **fixed_price.RULES,
    **usage.RULES,
    **retainer.RULES,
    **prepaid.RULES,
    **commitments.RULES,
    **contract_discounts.RULES,
    **holdback.RULES,
    **termination.RULES,
    **late_fees.RULES,
    "not_owed": Rule(lambda operands: "no longer owed", lambda operands: 0),  # what a slice that fell away comes to
}


def explain_text(explanation: Explanation) -> str:
    """Word how an amount came about: ``31 of 61 days from 15 Mar 2026 at 1,200.00``."""
    rule = RULES.get(explanation.rule)
    if rule is None:  # written by a later release: show the operands rather than nothing
        return ", ".join(f"{name} {value}" for name, value in explanation.operands.items())
    return rule.words(explanation.operands)


def explain_drafted(drafted: DraftLine, draft: Draft) -> str:
    """Word how an amount on a draft came about; of a correction also what the slice comes to and what was billed."""
    text = explain_text(drafted.line.explain)
    if draft.against:
        return f"agreed credit on invoice {draft.against}, of: {text}"
    if not drafted.revision:
        return text
    owed = drafted.line.amount
    before = price_text(to_decimal(owed - draft.sign * drafted.amount, draft.currency), draft.currency)
    if drafted.line.explain.rule == "not_owed":
        return f"{text}, {before} was billed before"
    return f"{text} = {price_text(to_decimal(owed, draft.currency), draft.currency)}, less {before} billed before"


def recompute(explanation: Explanation) -> int:
    """Work a line's amount out again, in minor units; raises ``LookupError`` for a rule that is not known."""
    return RULES[explanation.rule].amount(explanation.operands)
