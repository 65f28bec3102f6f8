"""Every knob, its default and its meaning: the only reader of the environment (TOUCHSTONE_*)."""

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.errors import SetupError

PREFIX = "TOUCHSTONE_"
YEAR_SECONDS = 365 * 86_400
MOST_AT_A_TIME = 100_000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """The settings of one process, read once and passed on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: str = Field(
        "sqlite:///touchstone.db",
        description="SQLite (`sqlite:///file.db`) or PostgreSQL (`postgresql+psycopg://…`).",
    )
    host: str = Field("127.0.0.1", description="Address the server binds to.")
    port: int = Field(8000, ge=0, le=65535, description="Port the server binds to.")
    open_access: bool = Field(
        False, description="Switch keys and sign-in off for a try-out; loopback only."
    )
    trace_quiet_seconds: float = Field(
        5.0,
        ge=0,
        le=YEAR_SECONDS,
        description="A trace is assembled when no span came for this long …",
    )
    trace_max_age_seconds: float = Field(
        300.0,
        ge=0,
        le=YEAR_SECONDS,
        description="… or at the latest this long after its first new span.",
    )
    max_body_bytes: int = Field(
        64 * 1024 * 1024, gt=0, description="Largest request body, before and after inflation."
    )
    max_pending_bytes: int = Field(
        256 * 1024 * 1024,
        gt=0,
        description="Bytes of all bodies held at a time; beyond, senders are asked to retry.",
    )
    models_dir: Path = Field(
        Path("models_cache"), description="Where fetched weights of hub evaluators lie."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the judges run: `auto`, `cpu` or `cuda`."
    )
    precision: Literal["auto", "int8", "bf16", "fp32"] = Field(
        "auto",
        description="What the bundled judges compute in: `int8`, `bf16`, `fp32`, or the fastest.",
    )
    calibration: Path | None = Field(
        None, description="A file of `touchstone calibrate`: scores and thresholds of your own."
    )
    evaluators: str = Field(
        "",
        description="Names of hub evaluators to add to the bundled ones, separated by commas.",
    )
    lease_seconds: float = Field(
        120.0,
        gt=0,
        le=YEAR_SECONDS,
        description="How long a worker may hold a claimed evaluation; "
        "then another takes over what a dead one held.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Claims after which an evaluation is given up as failed."
    )
    judge_seconds: float = Field(
        120.0,
        gt=0,
        le=YEAR_SECONDS,
        description="How long an evaluator may take for a batch before it is ended.",
    )
    claim_size: int = Field(
        32,
        ge=1,
        le=MOST_AT_A_TIME,
        description="How many interactions a worker claims at a time.",
    )
    time_zone: str = Field("UTC", description="Time zone that weeks and days are counted in.")
    report_schedule: bool = Field(
        True, description="Issue last week's report every Monday by itself."
    )
    report_hour: int = Field(
        6, ge=0, le=23, description="Hour of Monday at which last week's report is issued."
    )
    targets: str = Field(
        "",
        description="Largest shares of failing answers that are wanted, such as "
        "`groundedness=5% toxicity=0.5%`.",
    )
    deliver_to: str = Field(
        "",
        description="Apprise addresses that get the report, such as `mailto://…`, `slack://…`.",
    )
    deliver_after_hours: float = Field(
        0.0,
        ge=0,
        le=168,
        description="How many hours an issued report waits for its actions to be edited "
        "before it is sent.",
    )
    public_address: str = Field(
        "", description="Address of this server for people, for links in reports and invitations."
    )

    requests_per_minute: int = Field(
        0, ge=0, description="How many requests a key may send a minute; 0 for any number."
    )
    mask_personal_data: bool = Field(
        False,
        description="Show mail addresses, phone, card, account and IP numbers to people as tokens.",
    )
    pace_per_person: bool = Field(
        False,
        description="Show leads how fast each reviewer works; without it, ranges of several only.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """An empty variable, as env files and containers hand it on, counts as not set."""
        texts = {name: v.strip() if isinstance(v, str) else v for name, v in given.items()}
        return {name: value for name, value in texts.items() if value != ""}

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme in ("postgresql", "postgres"):
            url = f"postgresql+psycopg://{rest}"
        if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        try:
            parts = make_url(url)
        except (ArgumentError, ValueError):
            raise ValueError(
                "must be like postgresql://user:password@host:5432/name; "
                "in a password write @ as %40"
            ) from None
        if url.startswith("sqlite") and parts.database in (None, "", ":memory:"):
            raise ValueError("must name a file, or nothing would be kept")
        return url

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, host: str) -> str:
        return host.removeprefix("[").removesuffix("]")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone; use a name such as Europe/Berlin") from None

    @field_validator("public_address")
    @classmethod
    def _linkable(cls, address: str) -> str:
        if address and not address.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        if urlsplit(address.rstrip("/")).path:
            raise ValueError(
                "must name a host and no path: pages lie at /, so give it a host name of its own"
            )
        return address.rstrip("/")

    @property
    def address(self) -> str:
        """Where people find the server: the address named for them, or the one it binds to."""
        return self.public_address or address_of(self.host, self.port)

    @property
    def channels(self) -> tuple[str, ...]:
        """The addresses in `deliver_to`, separated by blanks; commas before an address do, too."""
        parts = re.split(r",?\s+|,(?=[\w+.-]+://)", self.deliver_to)
        return tuple(one for part in parts if (one := part.strip(",")))

    @property
    def added_evaluators(self) -> tuple[str, ...]:
        """The names in `evaluators`, stripped, without empty ones."""
        return tuple(name for part in self.evaluators.split(",") if (name := part.strip()))


def read_settings(**overrides: object) -> Settings:
    """The settings of the environment, or SetupError naming the variable that is wrong."""
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        # The address of a database holds its password.
        got = "" if "database_url" in first["loc"] else f" (got {first['input']!r})"
        raise SetupError(f"{name} is wrong: {reason}{got}") from None
    if settings.open_access and settings.host not in LOOPBACK:
        raise SetupError(
            f"TOUCHSTONE_OPEN_ACCESS=1 is allowed on loopback only, not on {settings.host!r}; "
            "unset it, or set TOUCHSTONE_HOST=127.0.0.1"
        )
    return settings


def address_of(host: str, port: int) -> str:
    """The web address of a host and a port; IPv6 stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def misspelt() -> list[str]:
    """A sentence for each variable that looks like a setting and is none."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    names = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    near = ((name, get_close_matches(name, known, 1, cutoff=0.85)) for name in names)
    return [f"{name} is no setting; {best[0]} is one" for name, best in near if best]


def child_environment(**settings: str) -> dict[str, str]:
    """The environment for a process that we start: ours, with these settings instead of ours."""
    own = {f"{PREFIX}{name}".upper(): value for name, value in settings.items()}
    return {**os.environ, **own}


def share_cores() -> None:
    """Let the threads of the judges sleep while they wait for each other; call before torch loads.

    By default they spin, which halves the speed as soon as anything else needs a core.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def has_display() -> bool:
    """Whether a browser window could open here."""
    shown = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in shown)
