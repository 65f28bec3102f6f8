"""The table of the audit log: who did what and when, chained so that nobody can change the past."""

from datetime import datetime

from sqlmodel import Field

from app.columns import Table, at_column, text_column


class AuditEntry(Table, table=True):
    """One act. The database refuses to change or delete a row; see `store/audit.py` for the chain.

    No word of a trace stands here, only ids, names of labels and numbers.
    """

    __tablename__ = "audit_entry"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """1, 2, 3 …, without a gap."""
    at: datetime = at_column()
    actor: str
    """Who: a reviewer, an API key, or the account on the server's machine."""
    role: str
    """`reviewer`, `lead`, `admin`, `key`, `operator` at a command line, or `server`."""
    source: str
    """The address that the request came from; empty for a command line."""
    action: str
    """Such as `label.stored`; a kind of thing and what became of it."""
    project: str
    about: str = Field(index=True)
    """The id of what was acted on: an interaction, a trace, a key, a reviewer, a queue."""
    details: str = text_column()
    """A JSON object, as text, so that its digest is the same on every database."""
    release: str
    """The version of this service."""
    previous: str
    """The digest of the entry before; zeros for the first."""
    digest: str
