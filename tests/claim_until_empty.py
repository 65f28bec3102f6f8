"""A reviewer in a process of its own, who claims and labels until nothing is left."""

from datetime import UTC, datetime

from app.database import open_database, transaction
from app.errors import Busy
from app.store.reviews import get_item
from app.store.turns import claim_turn, finish_turn


def claim_until_empty(url: str, queue_id: int, reviewer: str) -> None:
    """Take and label items until none is free three times."""
    engine = open_database(url)
    misses = 0
    while misses < 3:
        now = datetime.now(UTC)
        try:
            with transaction(engine) as session:
                turn = claim_turn(session, queue_id, reviewer=reviewer, now=now)
            if turn is None:
                misses += 1
                continue
            with transaction(engine) as session:
                item = get_item(session, queue_id, turn.item_id)
                finish_turn(session, item, reviewer=reviewer, status="stored", now=now)
        except Busy:
            continue
    engine.dispose()
