"""The report as PDF/UA: tagged, every figure with its text alternative. Needs the extra `pdf`."""

import logging

from weasyprint import HTML
from weasyprint.urls import URLFetcher


def render_pdf(html: str) -> bytes:
    """A PDF of the report's page; nothing outside the page is read."""
    # One warning per property that paper does not know would drown what matters.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    document = HTML(string=_labelled(html), url_fetcher=URLFetcher(allowed_protocols=["data"]))
    content: bytes = document.write_pdf(pdf_variant="pdf/ua-1")
    return content


def _labelled(html: str) -> str:
    """Every folded part open, as paper cannot unfold it."""
    return html.replace("<details>", "<details open>")
