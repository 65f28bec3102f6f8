"""What a reasoning model thinks aloud before its answer, in the same text."""

import re

_BEFORE = re.compile(
    r"\s*<(?P<tag>think|thinking|thought|reasoning)>.*?</(?P=tag)>\s*", re.DOTALL | re.IGNORECASE
)
_END = re.compile(r"</think>\s*\n")


def without_thoughts(text: str) -> str:
    """The answer alone, which is the end of the text, where thoughts stand before it in tags.

    The chat templates of DeepSeek-R1 and its like write `<think>` themselves, so that the model
    says its end only, on a line of its own or at the end of one. Thoughts that never end are kept:
    nobody knows where the answer would begin.
    """
    match = _BEFORE.match(text)
    if match is not None:
        return text[match.end() :]
    end = _END.search(text)
    return text if end is None or "<think>" in text[: end.start()] else text[end.end() :].lstrip()
