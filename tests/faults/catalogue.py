"""Every fault there is: the modules register theirs when they are imported here."""

from tests.faults import (
    arriving,
    erasing,
    hostile,
    judging,
    killing,
    labels,
    plugins,
    storage,
    wording,
)
from tests.faults.registry import FAULTS

MODULES = (arriving, erasing, hostile, judging, killing, labels, plugins, storage, wording)

__all__ = ["FAULTS", "MODULES"]
