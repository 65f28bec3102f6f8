"""Why an interaction that somebody asks for is not here, as far as the audit log knows."""

from sqlmodel import Session, col, select

from app.audit_table import AuditEntry

ERASED_ANSWER = "interaction.erased"
PRUNED = "interaction.pruned"
PRUNED_NONE = '%"n":0}'


def missing(session: Session, project: str, wanted_id: str) -> str:
    """A sentence that tells whether the interaction was erased, or may have gone by its age."""
    said = f"there is no interaction {wanted_id!r} in this project"
    if act := _last(session, project, ERASED_ANSWER, wanted_id):
        return f"{said}: it was erased on {act.at:%Y-%m-%d}, by entry {act.seq} of the audit log"
    if act := _last(session, project, PRUNED, ""):
        return (
            f"{said}; it may be one of those that were forgotten by their age, "
            f"last on {act.at:%Y-%m-%d}, by entry {act.seq} of the audit log"
        )
    return said


def _last(session: Session, project: str, action: str, about: str) -> AuditEntry | None:
    query = select(AuditEntry).where(
        AuditEntry.about == about, AuditEntry.project == project, AuditEntry.action == action
    )
    query = query.where(col(AuditEntry.details).not_like(PRUNED_NONE))
    return session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(1)).first()
