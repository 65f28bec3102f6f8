"""Issues the weekly reports of the demo: writes them to files, and keeps them as issued."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.database import transaction
from app.demo.server import DemoServer, get
from app.reports import render_html, render_markdown
from app.store.reports import save_report


def keep_reports(engine: Engine, reports: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Keep the reports as issued, so that the list of weeks says what happened in each."""
    with transaction(engine) as session:
        for report in reports.values():
            save_report(session, report, now=now)


def issue_reports(
    server: DemoServer, weeks: Iterable[str], folder: Path
) -> dict[str, dict[str, Any]]:
    """The report of each week, also written to the folder as JSON, HTML and Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    reports: dict[str, dict[str, Any]] = {}
    for week in weeks:
        report = reports[week] = get(server, f"/api/v1/reports/{week}")
        text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
        (folder / f"{week}.json").write_text(text, "utf-8")
        (folder / f"{week}.html").write_text(render_html(report), "utf-8")
        (folder / f"{week}.md").write_text(render_markdown(report), "utf-8")
    return reports
