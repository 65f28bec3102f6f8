"""How a page leaves the server: rendered with autoescape, under a strict policy, never cached."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import rcssmin
import rjsmin
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, StrictUndefined

from app.access import Caller
from app.criteria import Criteria
from app.errors import BadRequest, TooLarge
from app.reports import block_style, content_security_policy, kept_templates
from feedback_ui.masks import mask_for, may_unmask

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LARGEST_FORM_BYTES = 1024 * 1024
MOST_FIELDS = 2000
THEME_COOKIE = "touchstone_theme"
THEMES = ("light", "dark")
MEDIA_TYPES: Mapping[str, str] = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


def _read_static() -> dict[str, bytes]:
    folder = resources.files("feedback_ui") / "static"
    texts = {file.name: file.read_text() for file in folder.iterdir()}
    texts["blocks.css"] = block_style()
    return {name: _small(name, text) for name, text in texts.items()}


def _small(name: str, text: str) -> bytes:
    """The file without the spaces and comments that browsers do not need."""
    shorten = {"js": rjsmin.jsmin, "css": rcssmin.cssmin}.get(name.rsplit(".", 1)[-1])
    return str(shorten(text) if shorten is not None else text).encode()


STATIC = _read_static()
DIGESTS = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in STATIC.items()}


def static_path(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{DIGESTS[name]}/{name}"


def moment(value: datetime) -> str:
    """A time as people read it, in UTC."""
    return f"{value:%Y-%m-%d %H:%M}"


def clock(value: datetime) -> str:
    """The time of a day, in UTC."""
    return f"{value:%H:%M}"


def percent(share: float) -> str:
    """A share as a percentage with one decimal; a narrow space stands before the sign."""
    return f"{share * 100:.1f}\u202f%"


def _environment() -> Environment:
    environment = Environment(
        loader=kept_templates(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=moment, clock=clock, percent=percent)
    environment.globals.update(static_path=static_path)
    return environment


_ENVIRONMENT = _environment()


def page(
    request: Request, template: str, caller: Caller | None, *, status: int = 200, **shown: Any
) -> HTMLResponse:
    """The template as a page for the caller; None stands for somebody who has not signed in."""
    html = rendered(request, template, caller, **shown)
    return HTMLResponse(html, status_code=status, headers=dict(HEADERS))


def rendered(request: Request, template: str, caller: Caller | None, **shown: Any) -> str:
    """The words of a page."""
    return _ENVIRONMENT.get_template(template).render(
        caller=caller,
        mask=mask_for(caller),
        may_unmask=caller is not None and may_unmask(caller),
        open_access=request.app.state.settings.open_access,
        path=request.url.path,
        theme=request.cookies.get(THEME_COOKIE),
        **shown,
    )


def whole_page(html: str) -> HTMLResponse:
    """A report, which is a document of its own, under a policy that lets in its own styles only."""
    policy = content_security_policy(html)
    return HTMLResponse(html, headers={**HEADERS, "Content-Security-Policy": policy})


def error_page(request: Request, status: int, detail: str) -> Response:
    """What a browser sees of an error; somebody who has not signed in is asked to."""
    if status == 401 and request.method in ("GET", "HEAD"):
        query = f"?{request.url.query}" if request.url.query else ""
        return go_to("/sign-in", next=request.url.path + query)
    caller = getattr(request.state, "caller", None)
    return page(request, "error.html", caller, status=status, code=status, detail=detail)


def go_to(path: str, **query: object) -> RedirectResponse:
    """Send the browser to a page of this server with GET."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    address = f"{path}?{urlencode(given)}" if given else path
    return RedirectResponse(address, status_code=303, headers=dict(HEADERS))


def own_path(address: str) -> str:
    """The address if it is a path of this server, else the home page."""
    parts = urlsplit(address)
    is_own = not parts.scheme and not parts.netloc and address.startswith("/")
    return address if is_own and not address.startswith(("//", "/\\")) else "/"


def criteria_of(request: Request) -> Criteria:
    """The criteria that the application was created with."""
    criteria: Criteria = request.app.state.criteria
    return criteria


async def posted_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last value of each; NUL characters are dropped."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM_BYTES:
            raise TooLarge(f"this form is larger than {LARGEST_FORM_BYTES} bytes; shorten it")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadRequest("this form cannot be read; reload the page and send it again") from None
    return {name: value.replace("\0", "").replace("\r\n", "\n") for name, value in pairs}


def all_posted(form: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The filled fields whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in form.items()
        if name.startswith(prefix) and value
    }
