"""A reviewer in a process of its own, who claims and labels until nothing is left."""

import sys
from datetime import UTC, datetime

from app.database import open_database, transaction
from app.errors import Busy
from app.store.reviews import get_item
from app.store.turns import claim_turn, finish_turn


def main(url: str, queue_id: int, reviewer: str) -> None:
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


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
