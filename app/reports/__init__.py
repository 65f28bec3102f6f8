"""What we learn from a week: a report of plain blocks, drawn in five formats.

weeks → tallies (counts per week and slice) → courses (what is usual) → findings (what may be
claimed) → sections (headings and blocks) → weekly (the report) → html, markdown, slack, pdf.
`trends` and `charts` also serve pages of their own.
"""

from app.reports.html import (
    block_style,
    content_security_policy,
    kept_templates,
    render_html,
    render_section,
)
from app.reports.markdown import render_markdown
from app.reports.schema import report_schema
from app.reports.slack import render_slack
from app.reports.trends import trend_points
from app.reports.weekly import build_report

__all__ = [
    "block_style",
    "build_report",
    "content_security_policy",
    "kept_templates",
    "render_html",
    "render_markdown",
    "render_section",
    "render_slack",
    "report_schema",
    "trend_points",
]
