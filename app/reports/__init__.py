"""What we learn from a week: a report of plain blocks, drawn as JSON, HTML and Markdown.

weeks → tallies (counts per week and slice) → courses (what is usual) → findings (what may be
claimed) → sections (headings and blocks) → weekly (the report) → html, markdown. `trends` and
`charts` also serve pages of their own.
"""

from app.reports.html import content_security_policy, render_html
from app.reports.markdown import render_markdown
from app.reports.trends import trend_points
from app.reports.weekly import build_report

__all__ = [
    "build_report",
    "content_security_policy",
    "render_html",
    "render_markdown",
    "trend_points",
]
