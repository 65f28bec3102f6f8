"""Find the texts of retrieved documents and of tools' answers, whatever their shape.

Nothing here raises: what has no known shape has no texts.
"""

import json
from typing import Any

from app.ingest.nested import parsed, visible
from app.ingest.words import MAX_SEARCH_DEPTH, content_texts

_DOCUMENT_KEYS = (
    *("page_content", "content", "text", "document.content", "document.page_content"),
    *("document", "body", "chunk", "passage", "node"),
)
_COLLECTION_KEYS = (
    "documents",
    "source_documents",
    "retrieved_documents",
    "docs",
    "results",
    "matches",
    "chunks",
    "nodes",
    "hits",
    "contexts",
    "context",
    "output",
    "data",
)
BESIDE_ANSWER = ("context", "contexts", "source_documents", "documents", "retrieved_documents")


def documents_of(value: Any, depth: int = 0) -> list[str]:
    """The texts of retrieved documents, in order; documents that are only ids have none."""
    # A string in a list is a document's text, even when that text is JSON.
    value = value if depth else parsed(value)
    if isinstance(value, str):
        return [visible(value)] if value.strip() else []
    if depth > MAX_SEARCH_DEPTH:
        return []
    if isinstance(value, list):
        return [text for item in value for text in documents_of(item, depth + 1)]
    if not isinstance(value, dict):
        return []
    for key in _COLLECTION_KEYS:
        if isinstance(parsed(value.get(key)), list):
            return documents_of(value[key], depth + 1)
    return _document(value, depth)


def documents_beside(answer: Any) -> list[str]:
    """The documents that a chain returns together with its answer, as those of LangChain do."""
    held = parsed(answer)
    for key in BESIDE_ANSWER if isinstance(held, dict) else ():
        if isinstance(parsed(held.get(key)), list):
            return documents_of(held[key])
    return []


def _document(value: dict[str, Any], depth: int) -> list[str]:
    inner = value.get("kwargs") if isinstance(value.get("kwargs"), dict) else value
    for key in _DOCUMENT_KEYS:
        content = inner.get(key) if inner else None
        if isinstance(content, str):
            return [visible(content)] if content.strip() else []
        if isinstance(content, list):
            joined = "\n".join(content_texts(content))
            return [joined] if joined else []
        if isinstance(content, dict):
            return documents_of(content, depth + 1)
    return []


def result_texts(value: Any) -> list[str]:
    """What a tool answered, as texts: its documents if it returned such, else all it said."""
    held = parsed(value)
    if isinstance(held, dict) and held.get("type") in ("text", "json", "content"):
        return result_texts(held.get("value", held.get("text")))
    if isinstance(held, dict) and "isError" in held:
        # A result of the Model Context Protocol.
        return ["\n".join(texts)] if (texts := content_texts(held.get("content"))) else []
    if isinstance(held, list):
        documents = documents_of(held)
        if documents:
            return documents
    if value is None or held in ("", [], {}):
        return []
    return [visible(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]
