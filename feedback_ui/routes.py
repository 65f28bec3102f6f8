"""All pages of the user interface in one router, its static files, and its page of an error."""

from fastapi import APIRouter, FastAPI, Request, Response

from app.errors import NotFound
from feedback_ui import (
    acting,
    adjudicating,
    browsing,
    conversing,
    dashboard,
    doctoring,
    exporting,
    measuring,
    own_settings,
    queues,
    reviewing,
    signing_in,
    trends,
    views,
    weekly,
)
from feedback_ui.pages import DIGESTS, MEDIA_TYPES, STATIC, error_page

__all__ = ["error_page", "install_pages", "router"]

FOREVER = "public, max-age=31536000, immutable"

router = APIRouter()
for part in (
    acting,
    signing_in,
    browsing,
    conversing,
    dashboard,
    doctoring,
    exporting,
    measuring,
    queues,
    reviewing,
    adjudicating,
    own_settings,
    trends,
    views,
    weekly,
):
    router.include_router(part.router)


def install_pages(app: FastAPI) -> None:
    """Serve the stylesheet, the script and the icon, which anybody may have."""
    app.add_route("/static/{digest}/{name}", static_file, include_in_schema=False)


def static_file(request: Request) -> Response:
    """A static file under the address that its content gave it, to be kept for ever."""
    name = request.path_params["name"]
    if DIGESTS.get(name) != request.path_params["digest"]:
        raise NotFound(f"there is no static file {name!r} here; reload the page")
    headers = {"Cache-Control": FOREVER, "X-Content-Type-Options": "nosniff"}
    media_type = MEDIA_TYPES[name.rsplit(".", 1)[-1]]
    return Response(STATIC[name], media_type=media_type, headers=headers)
