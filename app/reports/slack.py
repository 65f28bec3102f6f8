"""The report as Slack blocks: the verdict, a line per measure, the first actions, a link.

The limits are those of Slack's Block Kit reference: 150 characters in a header, 3,000 in a section,
50 blocks in a message.
"""

from typing import Any

from app.reports.markdown import cell_text, scorecard_line
from app.reports.numbers import short_week
from app.reports.sections.actions import ACTIONS, LAST_ACTIONS

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
MOST_ACTIONS = 3


def render_slack(report: dict[str, Any], address: str = "") -> dict[str, Any]:
    """A message for `chat.postMessage` or an incoming webhook; `address` is the server's."""
    sections = {section["id"]: section for section in report["sections"]}
    lines = [_plain(line) for line in _measures(sections["scorecard"], report["week"])]
    parts = [
        _header(report["verdict"]),
        _section(escape(" ".join(report["sentences"]))),
        _section("\n".join(f"• {escape(line)}" for line in lines)),
        *_actions(sections["actions"]),
        _context(report, address),
    ]
    return {"text": escape(report["verdict"]), "blocks": parts}


def escape(words: str) -> str:
    """Words without the three characters that Slack reads as markup."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _measures(section: dict[str, Any], week: str) -> list[str]:
    return [scorecard_line(row, week) for row in section["blocks"][0]["rows"]]


def _plain(words: str) -> str:
    return words.replace("\\", "")


def _header(words: str) -> dict[str, Any]:
    short = words if len(words) <= LONGEST_HEADER else f"{words[: LONGEST_HEADER - 1]}…"
    return {"type": "header", "text": {"type": "plain_text", "text": short, "emoji": False}}


def _section(words: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": words[:LONGEST_SECTION]}}


def _actions(section: dict[str, Any]) -> list[dict[str, Any]]:
    """This week's actions, and how last week's stand."""
    lines = [
        f"{number}. {_cell(row[0])} ({_cell(row[3])}, by {_cell(row[4])})"
        for number, row in enumerate(_rows(section, ACTIONS)[:MOST_ACTIONS], 1)
    ]
    last = [
        f"• {_cell(row[0])}: {_cell(row[1])}" for row in _rows(section, LAST_ACTIONS)[:MOST_ACTIONS]
    ]
    found = [_section(f"*{escape(section['heading'])}*\n" + "\n".join(lines))] if lines else []
    return [*found, *([_section(f"*{LAST_ACTIONS}*\n" + "\n".join(last))] if last else [])]


def _rows(section: dict[str, Any], caption: str) -> list[list[dict[str, Any]]]:
    tables = [block for block in section["blocks"] if block["block"] == "table"]
    return [row for block in tables if block["caption"] == caption for row in block["rows"]]


def _cell(cell: dict[str, Any]) -> str:
    return escape(_plain(cell_text(cell)))


def _context(report: dict[str, Any], address: str) -> dict[str, Any]:
    about = report["application"] or "all applications"
    words = f"{escape(report['project'])} · {escape(about)} · {short_week(report['week'])}"
    if address:
        words += f" · <{address}/reports/{report['week']}|Open the report>"
    if report["revision"] > 1:
        words += f" · revision {report['revision']}"
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": words}]}
