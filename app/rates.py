"""How often a key may ask: as many requests at once as a minute allows, then evenly.

The generic cell rate algorithm (ITU-T I.371) needs one time per key. Every process of the server
counts for itself.
"""

import math
import threading
from datetime import datetime, timedelta

from app.errors import Limited

MINUTE = timedelta(minutes=1)
MOST_KEYS = 10_000


class Rates:
    """When each key has used up what it asked for so far."""

    def __init__(self) -> None:
        self._used_up_at: dict[str, datetime] = {}
        self._order = threading.Lock()

    def take(self, key_id: str, per_minute: int, *, now: datetime) -> None:
        """Count a request, or raise Limited with the seconds to wait; 0 means no limit."""
        if not per_minute:
            return
        step = MINUTE / per_minute
        with self._order:
            if len(self._used_up_at) > MOST_KEYS:
                self._used_up_at = {k: at for k, at in self._used_up_at.items() if at > now}
            used_up_at = max(self._used_up_at.get(key_id, now), now) + step
            wait = (used_up_at - now - MINUTE).total_seconds()
            if wait > 0:
                raise Limited(
                    f"this key may send {per_minute} requests a minute; send this one again later",
                    math.ceil(wait),
                )
            self._used_up_at[key_id] = used_up_at
