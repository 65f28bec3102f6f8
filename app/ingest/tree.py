"""The spans of a trace as a tree, whatever is missing: parents, roots, even an end to the circle.

No recursion: a trace may be thousands of spans deep.
"""

from collections.abc import Iterator, Sequence

from app.ingest.telemetry import Span


class Tree:
    """Spans in the order of a walk from the top, siblings by their start."""

    def __init__(self, spans: Sequence[Span]) -> None:
        ordered = sorted(spans, key=lambda span: (span.start_ns, span.span_id))
        self.spans = {span.span_id: span for span in ordered}
        self.parent: dict[str, str | None] = {}
        self._children: dict[str, list[str]] = {}
        self._link()
        self.order: list[str] = []
        self._position: dict[str, int] = {}
        self._end: dict[str, int] = {}
        self._walk()

    @property
    def tops(self) -> list[str]:
        """The spans without a parent among those present."""
        return [span_id for span_id in self.order if self.parent[span_id] is None]

    def children(self, span_id: str) -> list[str]:
        """The spans directly below."""
        return self._children.get(span_id, [])

    def ancestors(self, span_id: str) -> Iterator[str]:
        """The spans above, nearest first."""
        above = self.parent[span_id]
        while above is not None:
            yield above
            above = self.parent[above]

    def range_of(self, span_id: str) -> range:
        """The positions in `order` of the span and all below it."""
        return range(self._position[span_id], self._end[span_id])

    def position(self, span_id: str) -> int:
        """Where the span stands in `order`."""
        return self._position[span_id]

    def _link(self) -> None:
        for span_id, span in self.spans.items():
            above = span.parent_span_id
            known = above is not None and above != span_id and above in self.spans
            self.parent[span_id] = above if known else None
            if above is not None and known:
                self._children.setdefault(above, []).append(span_id)
        self._open_circles()

    def _open_circles(self) -> None:
        """Make the earliest span of every circle of parents a top."""
        settled: set[str] = set()
        for span_id in self.spans:
            path: list[str] = []
            on_path: set[str] = set()
            at: str | None = span_id
            while at is not None and at not in settled and at not in on_path:
                path.append(at)
                on_path.add(at)
                at = self.parent[at]
            if at is not None and at in on_path:
                self._cut(min(path[path.index(at) :], key=self._start))
            settled.update(path)

    def _start(self, span_id: str) -> tuple[int, str]:
        return self.spans[span_id].start_ns, span_id

    def _cut(self, span_id: str) -> None:
        above = self.parent[span_id]
        if above is not None:
            self._children[above].remove(span_id)
        self.parent[span_id] = None

    def _walk(self) -> None:
        tops = [span_id for span_id, above in self.parent.items() if above is None]
        stack = [(span_id, False) for span_id in reversed(tops)]
        while stack:
            span_id, done = stack.pop()
            if done:
                self._end[span_id] = len(self.order)
                continue
            self._position[span_id] = len(self.order)
            self.order.append(span_id)
            stack.append((span_id, True))
            stack += [(child, False) for child in reversed(self.children(span_id))]
