"""The JSON API: intake, reading, judging, numbers, health, and its own description."""

from typing import Any

from fastapi import APIRouter

from app.api import docs, health, intake, interactions, judging, numbers
from app.api.shapes import Problem

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The request cannot be understood",
        401: "No valid key or sign-in",
        403: "The scope is missing",
        422: "A name or a value does not exist",
        503: "Busy; send the same request again after `Retry-After` seconds",
    }.items()
}

router = APIRouter()
for part in (intake, interactions, judging, numbers):
    router.include_router(part.router, responses=ERRORS)
router.include_router(health.router)
router.include_router(docs.router)
