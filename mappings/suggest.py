"""The nearest known name for one that is not known: "did you mean ..."."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz, process, utils

_ALIKE = 65.0  # rapidfuzz score (0 to 100) below which a suggestion would only mislead


def _words(name: str) -> str:
    return utils.default_process(name.replace("_", " "))


def _score(first: str, second: str, *, score_cutoff: float | None = None) -> float:
    """Compare spelling (typos) and words in any order (``start_date_of_contract``); the better one counts."""
    return max(
        fuzz.ratio(first, second, score_cutoff=score_cutoff),
        fuzz.token_set_ratio(first, second, score_cutoff=score_cutoff) * 0.9,
    )


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` most like ``name``, None when none is alike. Equal scores: the first by alphabet."""
    found = process.extractOne(name, sorted(names), processor=_words, scorer=_score, score_cutoff=_ALIKE)
    return None if found is None else str(found[0])


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``did you mean 'x'?``, or the list of ``names`` when none is alike and the list is short."""
    known = sorted(names)
    best = nearest(name, known)
    if best is not None:
        return f"did you mean {best!r}?"
    if not known:
        return "there is none to choose from"
    return f"known are: {', '.join(known)}" if len(known) <= 30 else "none of the known names is like it"


def mapping_line(term: str, scope: str, missing: str, existing: Iterable[str]) -> str | None:
    """Return the line to write into the mapping where the CRM has no property ``missing``, None when none is alike.

    Looks for a property named like the missing one first, then for one named like the term it should fill.
    """
    names = list(existing)
    best = nearest(missing, names) or nearest(term, names)
    return None if best is None else f'{term} = {{ from = "{scope}.{best}" }}'
