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


class Step:
    """A span that retrieved something, and what is compared of its documents."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.texts = frozenset(found.value("contexts") or ())
        self.is_reranker = found.value("kind") == RERANKER
        self.given = self.texts | set(found.value("reranked") or ())
        dense = (_dense(text) for text in self.texts)
        self.telling = [
            one[:COMPARED_CHARACTERS] for one in dense if len(one) >= TELLING_CHARACTERS
        ]

    def is_sent(self, sent: str) -> bool | None:
        """Whether a document stands in those words; None where none is long enough to tell."""
        return any(text in sent for text in self.telling) if self.telling else None


def used(steps: Sequence[Step], sent: str) -> list[Step]:
    """The steps in time whose documents were not left out later, as far as the trace tells."""
    kept = _not_reranked(steps)
    told = [one.is_sent(sent) for one in kept] if sent else []
    if True not in told:
        return kept
    return [one for one, is_sent in zip(kept, told, strict=True) if is_sent is not False]


def _not_reranked(steps: Sequence[Step]) -> list[Step]:
    """The steps without those from whose documents a later reranker picked.

    What another reranker picked counts as picked from only if all of it was there to pick.
    """
    kept: dict[int, Step] = {}
    holding: dict[str, set[int]] = {}
    for at, step in enumerate(steps):
        touched = {one for text in step.given for one in holding.get(text, ())}
        for one in touched if step.is_reranker else ():
            if not kept[one].is_reranker or kept[one].texts <= step.given:
                for text in kept.pop(one).texts:
                    holding[text].discard(one)
        kept[at] = step
        for text in step.texts:
            holding.setdefault(text, set()).add(at)
    return list(kept.values())


def sent_for(answer: str, models: Sequence[Found]) -> str:
    """The words, without blanks, that the model was given that said the answer; empty where none
    of these models did, as where they only work on parts of it.
    """
    answered = [one for one in models if one.value("kind") == LLM and one.value("response")]
    wanted = _dense(answer)
    equal = [one for one in answered if _dense(one.value("response")) == wanted]
    within = [one for one in answered if wanted and wanted in _dense(one.value("response"))]
    for one in (equal or within)[-1:]:
        results = one.value("tool_results") or []
        texts = (one.value("system_prompt"), one.value("prompt"), *results)
        return _dense(" ".join(text for text in texts if text))
    return ""


def _dense(text: str) -> str:
    return "".join(text.split())
