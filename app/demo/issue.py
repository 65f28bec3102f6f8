"""Issues the weekly reports of the demo: writes them to files, and keeps them as issued."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.database import transaction
from app.reports import render_html, render_markdown
from app.store.reports import save_report


def issue_reports(
    read: Callable[[str], dict[str, Any]],
    engine: Engine,
    weeks: Iterable[str],
    folder: Path,
    now: datetime,
) -> dict[str, dict[str, Any]]:
    """The report of each week, kept as issued before the next one looks back at it, and written to
    the folder as JSON, HTML and Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    reports: dict[str, dict[str, Any]] = {}
    for week in weeks:
        report = reports[week] = read(week)
        with transaction(engine) as session:
            save_report(session, report, now=now)
        text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
        (folder / f"{week}.json").write_text(text, "utf-8")
        (folder / f"{week}.html").write_text(render_html(report), "utf-8")
        (folder / f"{week}.md").write_text(render_markdown(report), "utf-8")
    return reports
