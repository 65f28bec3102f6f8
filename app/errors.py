"""Every error this service raises on purpose, each with the HTTP status it becomes.

TouchstoneError                 500
├── SetupError                  500, exit code 2: the installation must be mended first
├── BadRequest                  400: the request cannot be understood
│   └── UnknownField            422: understood, but a name or value in it does not exist
├── Unauthenticated             401
├── Forbidden                   403
├── NotFound                    404
├── TooLarge                    413
├── UnsupportedMediaType        415
├── Conflict                    409
├── AuditBroken                 500: the audit log was tampered with
├── Limited                     429, or 503 under the OTLP paths, with Retry-After
└── Busy                        503, Retry-After: 1: try the same request again
    └── Damaged                 503: the database must be restored; senders keep what they have
"""


class TouchstoneError(Exception):
    """An error with a sentence that a stranger can act on."""

    status_code = 500

    @property
    def detail(self) -> str:
        return str(self)


class SetupError(TouchstoneError):
    """The installation or its settings must be mended before this can work."""


class BadRequest(TouchstoneError):
    """The request cannot be understood."""

    status_code = 400


class UnknownField(BadRequest):
    """The request is well formed, but a name or value in it does not exist."""

    status_code = 422


class Unauthenticated(TouchstoneError):
    """No valid key or sign-in came with the request."""

    status_code = 401


class Forbidden(TouchstoneError):
    """The key or reviewer is known but may not do this."""

    status_code = 403


class NotFound(TouchstoneError):
    """There is no such thing in this project."""

    status_code = 404


class Conflict(TouchstoneError):
    """The request contradicts what is stored."""

    status_code = 409


class AuditBroken(TouchstoneError):
    """The audit log is not what was written: an entry is missing, changed or out of order."""


class TooLarge(TouchstoneError):
    """The body is larger than the limit, before or after inflation."""

    status_code = 413


class UnsupportedMediaType(TouchstoneError):
    """The content type is not one that this path reads."""

    status_code = 415


class Busy(TouchstoneError):
    """The server cannot take this now; the same request will work in a moment."""

    status_code = 503

    @property
    def reason(self) -> str:
        """What the database's driver said, in a line, for whoever runs it; else the sentence."""
        said = str(getattr(self.__cause__, "orig", "") or self)
        return said.strip().partition("\n")[0]


class Damaged(Busy):
    """The database's file is broken; what is sent again later may find a restored one."""

    @property
    def reason(self) -> str:
        return self.detail


class Limited(TouchstoneError):
    """A key asks too often; the same request will work after `retry_seconds`."""

    status_code = 429

    def __init__(self, detail: str, retry_seconds: int) -> None:
        super().__init__(detail)
        self.retry_seconds = retry_seconds
