"""The page of measures: how far reviewers agree with each other, themselves and the evaluators."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.database import reading
from app.measures import Estimate, Measures, Share, measure
from app.pace import pace_of, paces_of, ranges_of, timed_items
from app.requests import refuse_nul, settings_of
from app.store.reviews import get_queue, list_queues
from feedback_ui.pages import criteria_of, page, percent
from feedback_ui.passages import letter_of

TOO_MANY_CHANGED = 0.1
"""Where more labels change after the reveal, verdicts sway people more than they help."""

WIDEST = 0.4
"""Between -1 and 1, an interval wider than this says too little for a heading."""

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])


@router.get("/measures")
def measures(
    request: Request, caller: Annotated[Caller, Depends(require("review"))], queue: str = ""
) -> Response:
    """The measures of all queues together, or of one; and the caller's own pace."""
    criteria = criteria_of(request)
    number = int(queue) if queue.isdecimal() else None
    with reading(request.app.state.engine) as session:
        if number is not None:
            get_queue(session, caller.project, number)
        queues = list_queues(session, caller.project)
        found = measure(session, caller.project, criteria, queue_id=number)
        own = timed_items(session, caller.project, queue_id=number, reviewer=caller.name)
        everybody = timed_items(session, caller.project, queue_id=number)
    by_name = settings_of(request).pace_per_person
    shown: dict[str, Any] = {"queues": queues, "chosen": number, "measures": found}
    is_lead = caller.role in ("lead", "admin")
    return page(
        request,
        "measures.html",
        caller,
        pairs={one.criterion.name: _pairs(one, caller.name) for one in found},
        headline=_headline(found),
        pace=pace_of(own),
        ranges=ranges_of(everybody) if is_lead and not by_name else None,
        by_name=by_name,
        paces=paces_of(everybody) if is_lead and by_name else [],
        swayed=[one for one in found if one.changed.interval.low > TOO_MANY_CHANGED],
        number=_number,
        between=_between,
        share=_share,
        percent_between=_percent_between,
        **shown,
    )


def _headline(found: list[Measures]) -> str:
    known = [one for one in found if _is_known(one.between.alpha)]
    if not known:
        return "How far the labels can be trusted"
    worst = min(known, key=lambda one: one.between.alpha.value or 0.0)
    return (
        f"Reviewers agree least on {worst.criterion.title.lower()}: "
        f"alpha {_number(worst.between.alpha)}"
    )


def _is_known(estimate: Estimate) -> bool:
    return estimate.interval is not None and estimate.interval.width <= WIDEST


def _pairs(one: Measures, own_name: str) -> list[dict[str, Any]]:
    """The pairs of reviewers under letters; only the caller is told which they are."""
    names = sorted({name for pair in one.between.pairs for name in pair[:2]})
    called = {
        name: "you" if name == own_name else f"reviewer {letter_of(place)}"
        for place, name in enumerate(names)
    }
    return [
        {"one": called[first], "other": called[second], "agreement": both}
        for first, second, both in one.between.pairs
    ]


def _number(estimate: Estimate) -> str:
    """A coefficient with two decimals and a true minus, or a dash."""
    return "–" if estimate.value is None else f"{estimate.value:.2f}".replace("-", "\u2212")


def _between(estimate: Estimate) -> str:
    """The interval of a coefficient, or that there is too little to say."""
    if estimate.value is None:
        return ""
    if estimate.interval is None:
        return "too few to say"
    low, high = (f"{bound:.2f}".replace("-", "\u2212") for bound in estimate.interval)
    return f"{low} to {high}"


def _percent_between(estimate: Estimate) -> str:
    """A share with its interval in one line."""
    if estimate.value is None:
        return "–"
    if estimate.interval is None:
        alike = {0.0: "in no case seen", 1.0: "in all cases seen"}
        return f"{percent(estimate.value)}, {alike.get(estimate.value, 'too few to say')}"
    low, high = estimate.interval
    return f"{percent(estimate.value)}, {percent(low)} to {percent(high)}"


def _share(share: Share) -> str:
    """Some out of n, with its interval once there are enough for one to mean something."""
    if not share.n:
        return "–"
    if share.n < 30:
        return f"{share.some} of {share.n}"
    low, high = share.interval
    return f"{percent(share.value)}, {percent(low)} to {percent(high)}"
