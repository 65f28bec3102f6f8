"""Sign in by one-time link or by name and password, and sign out."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlmodel import Session

from app.access import SESSION_COOKIE, check_same_origin, set_session_cookie, source_of
from app.database import reading, transaction
from app.errors import TouchstoneError, Unauthenticated
from app.requests import current_time, refuse_nul
from app.store.audit import Actor, note
from app.store.reviewers import (
    SHORTEST_PASSWORD,
    SignedIn,
    check_password,
    end_session,
    note_failure,
    reviewer_of_link,
    reviewer_of_session,
    set_password,
    sign_in_by_link,
    start_session,
)
from app.tables import Reviewer
from feedback_ui.pages import go_to, own_path, page, posted_form

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Form = Annotated[dict[str, str], Depends(posted_form)]
Now = Annotated[datetime, Depends(current_time)]


@router.get("/sign-in")
def ask(request: Request, now: Now, next: str = "/", link: str = "") -> Response:
    """The form to sign in with; opening a link does not use it up, because previews open links."""
    return _form(request, now, next=next, link=link)


@router.post("/sign-in", dependencies=[Depends(check_same_origin)])
def sign_in(request: Request, form: Form, now: Now) -> Response:
    """Start a session, or say what is wrong."""
    try:
        signed_in = (
            _by_link(request, form, now) if form.get("link") else _by_name(request, form, now)
        )
    except TouchstoneError as error:
        return _form(
            request, now, problem=error, next=form.get("next", "/"), link=form.get("link", "")
        )
    response = go_to(own_path(form.get("next", "/")))
    set_session_cookie(request, response, signed_in.token)
    return response


@router.post("/sign-out", dependencies=[Depends(check_same_origin)])
def sign_out(request: Request, now: Now) -> Response:
    """End the session on the server, too."""
    token = request.cookies.get(SESSION_COOKIE)
    if token is not None:
        with transaction(request.app.state.engine) as session:
            reviewer = reviewer_of_session(session, token, now=now)
            end_session(session, token)
            if reviewer is not None:
                _note(session, request, reviewer, "sign_in.ended", now)
    response = go_to("/sign-in")
    response.delete_cookie(SESSION_COOKIE)
    return response


def _by_link(request: Request, form: Form, now: datetime) -> SignedIn:
    with transaction(request.app.state.engine) as session:
        signed_in = sign_in_by_link(session, form["link"], now=now)
        if form.get("password"):
            set_password(session, signed_in.reviewer, form["password"])
        chosen = True if form.get("password") else None
        _note(session, request, signed_in.reviewer, "sign_in.by_link", now, new_password=chosen)
    return signed_in


def _by_name(request: Request, form: Form, now: datetime) -> SignedIn:
    name, password = form.get("name", ""), form.get("password", "")
    with reading(request.app.state.engine) as session:
        reviewer = check_password(session, name, password, now=now)
    with transaction(request.app.state.engine) as session:
        if reviewer is not None:
            signed_in = start_session(session, reviewer, now=now)
            _note(session, request, reviewer, "sign_in.by_password", now)
            return signed_in
        known = note_failure(session, name, now=now)
        _note(session, request, known, "sign_in.failed", now)
    raise Unauthenticated("name and password do not belong together; check both and try again")


def _note(
    session: Session,
    request: Request,
    reviewer: Reviewer | None,
    action: str,
    now: datetime,
    **details: object,
) -> None:
    """In the audit log; a name that nobody has may be a password in the wrong field, so it is not
    kept."""
    name = reviewer.name if reviewer is not None else "unknown"
    role = reviewer.role if reviewer is not None else ""
    project = reviewer.project if reviewer is not None else ""
    actor = Actor(name, role, source_of(request))
    note(session, actor, action, now=now, project=project, about=name, **details)


def _form(
    request: Request,
    now: datetime,
    *,
    next: str,
    link: str,
    problem: TouchstoneError | None = None,
) -> Response:
    reviewer: Reviewer | None = None
    if link:
        try:
            with reading(request.app.state.engine) as session:
                reviewer = reviewer_of_link(session, link, now=now)
        except Unauthenticated as error:
            problem = problem or error
    return page(
        request,
        "sign_in.html",
        None,
        status=problem.status_code if problem is not None else 200,
        problem=problem.detail if problem is not None else None,
        reviewer=reviewer,
        link=link,
        next=own_path(next),
        shortest=SHORTEST_PASSWORD,
    )
