"""Issues the weekly reports of the demo and writes them to files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.demo.server import DemoServer, get
from app.reports import render_html, render_markdown


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
