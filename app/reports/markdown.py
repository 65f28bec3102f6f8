"""The report as Markdown, for pull requests, wikis and logs: one line per measure."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from app.reports.numbers import (
    DASH,
    count,
    decimal,
    percent,
    percent_range,
    points,
    points_range,
    short_week,
)
from app.reports.weeks import weeks_up_to

SIGNS = {"concern": "▲", "good": "▼", "": "●"}
_BREAKS = re.compile(r"[ \t\r\n\v\f\u2028\u2029]+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~!])")


def render_markdown(report: dict[str, Any]) -> str:
    """A report as Markdown text; words from outside are escaped."""
    about = report["application"] or "all applications"
    lines = [
        f"# {escape(report['verdict'])}",
        "",
        f"{escape(report['project'])} · {escape(about)} · {report['week']}",
        "",
        escape(" ".join(report["sentences"])),
    ]
    if report["change_note"]:
        lines += ["", f"> {escape(report['change_note'])}"]
    for section in report["sections"]:
        lines += ["", f"## {escape(section['heading'])}", ""]
        if section["note"]:
            lines += [escape(section["note"]), ""]
        for block in section["blocks"]:
            lines += [*_block(block, report), ""]
    lines += ["", f"Report sha256 `{report['sha256']}`"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def escape(words: str) -> str:
    """Words that Markdown shows as they are, on one line."""
    return _SPECIAL.sub(r"\\\1", _BREAKS.sub(" ", words).strip())


def scorecard_line(row: list[dict[str, Any]], week: str) -> str:
    """A measure in one line: "Ungrounded answers 9.4 % (8.9–10.0) ▲ +2.4 pp vs W46 · …"."""
    name, now = row[:2]
    change, usual, state = (_of_kind(row, kind) for kind in ("difference", "usual", "state"))
    last = short_week(weeks_up_to(week, 1)[0])
    parts = [f"{escape(name['text'])} {cell_text(now)}"]
    if change["value"] is not None:
        parts[0] += f" {SIGNS[state['tone']]} {points(change['value'])} vs {last}"
    parts.append(state["text"].lower())
    if usual["rate"] is not None:
        parts.append(f"usually {percent(usual['rate'])}")
    parts += [_target(cell) for cell in row if cell["cell"] == "target" and cell["rate"]]
    return " · ".join(parts)


def _of_kind(row: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(cell for cell in row if cell["cell"] == kind)


def cell_text(cell: dict[str, Any]) -> str:
    """A table cell in words."""
    return _CELLS[cell["cell"]](cell)


def _share(cell: dict[str, Any]) -> str:
    if cell["rate"] is None:
        return DASH
    if cell["too_few"]:
        return f"too few to say ({count(cell['failing'])} of {count(cell['n'])})"
    return f"{percent(cell['rate'])} ({_bare_range(cell)})"


def _bare_range(cell: dict[str, Any]) -> str:
    words = percent_range(cell["low"], cell["high"])
    return words.replace(" to ", DASH).removesuffix("%").strip()


def _difference(cell: dict[str, Any]) -> str:
    if cell["value"] is None:
        return DASH
    return f"{points(cell['value'])} ({points_range(cell['low'], cell['high'])})"


def _usual(cell: dict[str, Any]) -> str:
    return DASH if cell["rate"] is None else percent(cell["rate"])


def _target(cell: dict[str, Any]) -> str:
    if cell["rate"] is None:
        return DASH
    return f"target ≤ {percent(cell['rate'])} {cell['text'].lower()}"


def _words(cell: dict[str, Any]) -> str:
    both = cell["text"] and cell["small"]
    return escape(f"{cell['text']} ({cell['small']})" if both else cell["text"] or cell["small"])


def _coefficient(cell: dict[str, Any]) -> str:
    if cell["value"] is None or cell["low"] is None:
        return decimal(cell["value"])
    return f"{decimal(cell['value'])} ({decimal(cell['low'])} to {decimal(cell['high'])})"


_CELLS: dict[str, Callable[[dict[str, Any]], str]] = {
    "words": _words,
    "number": lambda cell: count(cell["value"]),
    "coefficient": lambda cell: _coefficient(cell),
    "ratio": lambda cell: _coefficient(cell),
    "share": _share,
    "estimate": lambda cell: f"{percent(cell['rate'])} ({_bare_range(cell)})",
    "difference": _difference,
    "usual": _usual,
    "target": _target,
    "spark": lambda cell: "",
    "state": lambda cell: f"{SIGNS[cell['tone']]} {cell['text']}",
}


def _block(block: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    kind = block["block"]
    if kind == "text":
        yield escape(block["text"])
    elif kind == "table" and "Variation" in block["columns"]:
        yield from (f"- {scorecard_line(row, report['week'])}" for row in block["rows"])
    elif kind == "table":
        yield from _table(block)
    elif kind == "folded":
        yield from _folded(block, report)
    elif kind == "figures":
        yield from (f"- {count(item['value'])} {escape(item['label'])}" for item in block["items"])
    elif kind == "facts":
        yield from (f"- {escape(item['term'])}: {escape(item['text'])}" for item in block["items"])
    elif kind in ("line_chart", "calibration_chart"):
        yield escape(block["description"])
    elif kind == "clusters":
        for item in block["items"]:
            yield f"- {escape(item['name'])}: {count(item['n'])} {escape(item['of'])}"
            yield f"  - {escape(item['change'])}"
            if "href" in item:
                yield f"  - {count(item['listed'])} of them: `{item['href']}`"
            yield from (f"  {line}" for line in _example(item["example"]))
    elif kind == "examples":
        for item in block["items"]:
            yield from _example(item)


def _folded(block: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    """What a reader can unfold; charts are drawn elsewhere, and their tables stand here."""
    inner = [one for one in block["blocks"] if not one["block"].endswith("_chart")]
    if inner:
        yield from (f"**{escape(block['summary'])}**", "")
    for one in inner:
        yield from (*_block(one, report), "")


def _table(block: dict[str, Any]) -> Iterator[str]:
    yield f"| {' | '.join(escape(name) for name in block['columns'])} |"
    yield f"|{'---|' * len(block['columns'])}"
    for row in block["rows"]:
        yield f"| {' | '.join(cell_text(cell) for cell in row)} |"


def _example(item: dict[str, Any]) -> Iterator[str]:
    response = "".join(
        f"**{escape(piece['text'])}** " if piece["marked"] else f"{escape(piece['text'])} "
        for piece in item["response"]
    )
    yield f"- {escape(item['title'])}, {escape(item['application'])}, `{item['interaction_id']}`"
    yield f"  - Question: {escape(item['prompt'])}"
    yield f"  - Answer: {response.strip()}"
    if item["evidence"]:
        yield f"  - Nearest evidence: {escape(item['evidence']['text'])}"
