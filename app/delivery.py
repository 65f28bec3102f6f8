"""Sends a report to people: e-mail, Slack, webhooks and whatever else Apprise knows.

Only a worker imports this. An address is shown without its secrets everywhere but here.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import apprise

from app.errors import SetupError
from app.reports import render_html, render_markdown
from app.reports.slack import render_slack
from app.tables import Report

ANSWER_SECONDS = 60.0
MARKDOWN_SCHEMES = ("slack", "discord", "mattermost", "msteams", "workflows", "rocket")


def masked(address: str) -> str:
    """An address that may be shown: scheme, host, and a digest that tells addresses apart."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme in ("slack", "discord", "msteams", "workflows"):
        host = ""
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    return f"{parts.scheme}://{host}…{digest}"


def by_masked_name(addresses: Iterable[str]) -> dict[str, str]:
    """The addresses by the names they are stored under; SetupError names one that means nothing."""
    found = {}
    for address in addresses:
        if apprise.Apprise.instantiate(address, suppress_exceptions=True) is None:
            raise SetupError(
                f"TOUCHSTONE_DELIVER_TO is wrong: {masked(address)} is not an address that Apprise "
                "understands; write for example mailto://user:password@example.com"
            )
        found[masked(address)] = address
    return found


def send_report(
    addresses: Mapping[str, str], channel: str, report: Report, public_address: str = ""
) -> str:
    """Send a report to the channel of that name; "" when it arrived, else a sentence why not."""
    address = addresses.get(channel)
    if address is None:
        return "This address is no longer in TOUCHSTONE_DELIVER_TO."
    target = _target(address)
    with _LogLines() as lines, tempfile.TemporaryDirectory() as folder:
        sent = _notify(target, urlsplit(address).scheme, report, public_address, Path(folder))
    if sent:
        return ""
    return lines.last or "Apprise could not send it and gave no reason."


def _target(address: str) -> apprise.Apprise:
    # A redirect would turn the report into a GET without it, and pass for its arrival.
    target = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    target.add(address)
    if "rto=" not in address:
        for service in target:
            # What only answers slowly has taken the report; sending again would repeat it.
            service.socket_read_timeout = ANSWER_SECONDS
    return target


def _notify(
    target: apprise.Apprise, scheme: str, report: Report, public_address: str, folder: Path
) -> bool:
    body = report.body
    title = f"{body['week']}: {body['verdict']}"
    link = f"\n\n{public_address}/reports/{body['week']}" if public_address else ""
    if scheme in ("json", "jsons"):
        message = {"report": body, "slack": render_slack(body, public_address)}
        text = json.dumps(message, ensure_ascii=False)
        return bool(target.notify(text, title, body_format=apprise.NotifyFormat.TEXT))
    if scheme in MARKDOWN_SCHEMES:
        text = _head(render_markdown(body)) + link
        return bool(target.notify(text, title, body_format=apprise.NotifyFormat.MARKDOWN))
    page = folder / f"report-{body['week']}.html"
    page.write_text(render_html(body), encoding="utf-8")
    return bool(
        target.notify(
            _head(render_markdown(body)) + link,
            title,
            body_format=apprise.NotifyFormat.MARKDOWN,
            attach=str(page),
        )
    )


def _head(markdown: str) -> str:
    """The report down to its scorecard: what fits a message."""
    sections = markdown.split("\n## ")
    return "\n## ".join(sections[:3])


class _LogLines(logging.Handler):
    """Keeps what Apprise says while it sends; its reasons are in its log only."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()

    def __enter__(self) -> "_LogLines":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
