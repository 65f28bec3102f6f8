"""What people set for themselves: the theme of the pages, and the keys of the review desk."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.database import reading, transaction
from app.errors import TouchstoneError, UnknownField
from app.requests import refuse_nul
from app.store.preferences import preferences_of, set_preferences
from app.store.reviews import REVEALS
from feedback_ui.keymap import FIXED, KEYS, key_map, read_keys
from feedback_ui.pages import THEME_COOKIE, THEMES, go_to, page, posted_form

YEAR_SECONDS = 365 * 24 * 3600

router = APIRouter(prefix="/me", include_in_schema=False, dependencies=[Depends(refuse_nul)])

Person = Annotated[Caller, Depends(require("read"))]
Form = Annotated[dict[str, str], Depends(posted_form)]


@router.get("")
def settings(request: Request, caller: Person, saved: int = 0) -> Response:
    """The caller's settings."""
    with reading(request.app.state.engine) as session:
        choices = preferences_of(session, caller.project, caller.name)
    return _settings(request, caller, choices, saved=bool(saved))


@router.post("/theme")
def set_theme(request: Request, caller: Person, form: Form) -> Response:
    """Keep the theme in a cookie, so that the server sends the page in it at once."""
    theme = form.get("theme", "")
    if theme not in ("", *THEMES):
        raise UnknownField(f"the theme is {' or '.join(THEMES)}, or empty for the system's")
    response = go_to("/me", saved=1)
    response.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=YEAR_SECONDS if theme else 0,
        samesite="lax",
        httponly=True,
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/keys")
def set_keys(request: Request, caller: Person, form: Form) -> Response:
    """Keep the caller's keys, or say which of them cannot be."""
    try:
        choices: dict[str, Any] = {} if "usual" in form else {"keys": read_keys(form)}
    except TouchstoneError as error:
        given = {"keys": {name: form.get(f"key.{name}", "") for name in KEYS}}
        return _settings(request, caller, given, problem=error)
    choices["keys_on"] = "usual" in form or "keys_on" in form
    choices["reveal"] = form.get("reveal", "")
    if choices["reveal"] not in ("", *REVEALS):
        raise UnknownField(f"verdicts are shown {', '.join(REVEALS)} or as the queue says")
    with transaction(request.app.state.engine) as session:
        set_preferences(session, caller.project, caller.name, choices)
    return go_to("/me", saved=1)


def _settings(
    request: Request,
    caller: Caller,
    choices: dict[str, Any],
    *,
    saved: bool = False,
    problem: TouchstoneError | None = None,
) -> Response:
    return page(
        request,
        "own_settings.html",
        caller,
        status=problem.status_code if problem is not None else 200,
        problem=problem.detail if problem is not None else None,
        saved=saved,
        actions=[(name, words, key_map(choices)[name]) for name, (_, words) in KEYS.items()],
        keys_on=choices.get("keys_on", True),
        reveal=choices.get("reveal", ""),
        fixed=FIXED,
    )
