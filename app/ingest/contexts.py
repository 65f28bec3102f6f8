"""Of all that was retrieved on the way to an answer, what the model was given.

A retriever may hold others whose documents it picks from, a reranker leaves documents out, and a
search may be made again because its documents were no good.
"""

from collections.abc import Sequence

from app.ingest.dialects import Finding, Found
from app.ingest.pieces import LLM, RERANKER, RETRIEVER
from app.ingest.tree import Tree

TELLING_CHARACTERS = 30
COMPARED_CHARACTERS = 80


def outermost(tree: Tree, found: dict[str, Found], positions: Sequence[int]) -> list[int]:
    """The positions without those inside a retriever or reranker that says what it gives back."""
    kept: list[int] = []
    ends = 0
    held: Finding | None = None
    for position in positions:
        span_id = tree.order[position]
        finding = found[span_id].fields["contexts"]
        if position < ends and held is not None and (held.certain or not finding.certain):
            continue
        kept.append(position)
        if found[span_id].value("kind") in (RETRIEVER, RERANKER):
            ends, held = tree.range_of(span_id).stop, finding
    return kept


def used(steps: Sequence[Found], sent: str) -> list[Found]:
    """The steps in time whose documents were not left out later, as far as the trace tells."""
    kept: list[Found] = []
    for step in steps:
        if step.value("kind") == RERANKER:
            kept = [one for one in kept if not _is_reranked(one, step)]
        kept.append(step)
    telling = {id(one): _is_sent(one, sent) for one in kept}
    if True not in telling.values():
        return kept
    return [one for one in kept if telling[id(one)] is not False]


def sent_to_the_last(models: Sequence[Found]) -> str:
    """The words that the last of these models to answer was given, without blanks."""
    answered = [one for one in models if one.value("kind") == LLM and one.value("response")]
    if not answered:
        return ""
    last = answered[-1]
    results = last.value("tool_results") or []
    return _dense(
        " ".join([last.value("system_prompt") or "", last.value("prompt") or "", *results])
    )


def _is_reranked(step: Found, reranker: Found) -> bool:
    texts, picked = set(step.value("contexts")), set(reranker.value("contexts"))
    given = picked | set(reranker.value("reranked") or ())
    # What another reranker picked counts as picked from only if all of it was there to pick.
    return texts <= given if step.value("kind") == RERANKER else bool(texts & given)


def _is_sent(step: Found, sent: str) -> bool | None:
    """Whether any document of the step stands in those words; None where none is long enough."""
    dense = [_dense(text) for text in step.value("contexts")]
    telling = [text[:COMPARED_CHARACTERS] for text in dense if len(text) >= TELLING_CHARACTERS]
    return any(text in sent for text in telling) if telling else None


def _dense(text: str) -> str:
    return "".join(text.split())
