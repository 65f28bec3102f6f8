"""Prepares what comes next while the present is worked on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(make: Callable[[Given], Made], given: Sequence[Given]) -> Iterator[Made]:
    """What `make` makes of each, in order; the next one is made in a thread meanwhile.

    Worth it where the caller spends its time outside Python, as in a matrix product.
    """
    if len(given) < 2:
        yield from map(make, given)
        return
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(make, given[0])
        for one in given[1:]:
            made, waiting = waiting.result(), thread.submit(make, one)
            yield made
        yield waiting.result()
