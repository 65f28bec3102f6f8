"""What the pair encoder reads: claims with evidence, questions with answers or passages."""

import re
from collections.abc import Sequence

from evaluators.engine import Tokens
from evaluators.heads.evidence import Claim, chosen_pieces
from evaluators.heads.sequences import Tokenizer, Window, joined, windows
from evaluators.sentences import Span

EVIDENCE_TOKENS = 88
CLAIM_TOKENS = 56
QUESTION_TOKENS = 48
ANSWER_TOKENS = 72
ANSWER_WINDOWS = 4
PASSAGE_TOKENS = 96
TURN = re.compile(r"\n(?:user|human|customer) ?: ?", re.IGNORECASE)


def question_of(prompt: str) -> str:
    """The part of a prompt that asks: its last turn, at most its last 600 characters."""
    turn = TURN.split(f"\n{prompt}")[-1]
    return turn.strip()[-600:] or prompt.strip()[-600:]


def claim_sequences(claims: Sequence[Claim], tokenizer: Tokenizer) -> list[Tokens]:
    """Each claim after its evidence."""
    texts = [" ".join(claim.packed) for claim in claims]
    evidence = tokenizer.ids(texts, EVIDENCE_TOKENS)
    claimed = tokenizer.ids([claim.text for claim in claims], CLAIM_TOKENS)
    return [joined(one, other) for one, other in zip(evidence, claimed, strict=True)]


def answer_windows(prompt: str, response: str, tokenizer: Tokenizer) -> list[Window]:
    """The question with each of the first windows of the response, and with the last one."""
    asked = tokenizer.ids([question_of(prompt)], QUESTION_TOKENS)[0]
    found = windows(response, tokenizer, ANSWER_TOKENS)
    if len(found) > ANSWER_WINDOWS:
        found = [*found[: ANSWER_WINDOWS - 1], found[-1]]
    return [Window(one.span, joined(asked, one.tokens.ids[1:-1])) for one in found]


def passage_sequence(prompt: str, context: str, tokenizer: Tokenizer) -> Window:
    """The question with what is nearest to it in a context, and where the nearest piece lies."""
    question = question_of(prompt)
    chosen = chosen_pieces(question, context)
    text = " ".join(piece.text for piece in sorted(chosen, key=lambda piece: piece.span.start))
    asked, passage = tokenizer.ids([question, text], PASSAGE_TOKENS)
    span = chosen[0].span if chosen else Span(0, 0)
    return Window(span, joined(asked[:QUESTION_TOKENS], passage))
