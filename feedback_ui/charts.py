"""Charts as inline SVG: drawn here, styled by the page, readable without colour or script.

Every shape carries its colours as attributes as well as a class, because printers of pages ignore
the page's style inside an SVG.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 900, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 78, 16, 30
MOST_NAMES = 12
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The failing share of one bucket with its interval; without a share when n is 0."""

    name: str
    n: int
    failing: int
    low: float
    high: float
    coverage: float

    @property
    def rate(self) -> float:
        return self.failing / self.n if self.n else 0.0


def trend_chart(points: Sequence[TrendPoint], title: str) -> Markup:
    """The failing share over time with its 95 % band; buckets without a score leave a gap."""
    top, step = _scale(points)
    parts = [_grid(level * step, top) for level in range(int(top / step + 1e-9) + 1)]
    for start, end in _runs(points):
        parts.append(_run(points, start, end, top))
    parts += [_name(points, index) for index in _named(len(points))]
    known = [index for index, point in enumerate(points) if point.n]
    if known:
        parts.append(_latest(points, known[-1], top))
    described = f"{title}. " + "; ".join(
        f"{point.name}: {point.rate:.1%} of {point.n}" for point in points if point.n
    )
    return Markup(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(described)}</desc>{''.join(parts)}</svg>"
    )


def _scale(points: Sequence[TrendPoint]) -> tuple[float, float]:
    highest = max((point.high for point in points if point.n > 4), default=0.0)
    highest = max(highest, *(point.rate for point in points if point.n), 0.02, 0.02)
    step = next((step for step in STEPS if highest / step <= 5), STEPS[-1])
    levels = -(-highest // step)
    return min(1.0, levels * step), step


def _x(index: int, n: int) -> float:
    inner = WIDTH - LEFT - RIGHT
    return LEFT + inner * (index + 0.5) / n


def _y(share: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(share, top) / top)


def _grid(share: float, top: float) -> str:
    y = _y(share, top)
    return (
        f'<line class="grid" stroke="#e7e7e2" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" '
        f'y2="{y:.1f}"/><text fill="#545c65" font-size="12.5" text-anchor="end" '
        f'x="{LEFT - 8}" y="{y + 4:.1f}">{share * 100:.0f} %</text>'
    )


def _runs(points: Sequence[TrendPoint]) -> list[tuple[int, int]]:
    """The stretches of neighbouring buckets that have a score."""
    runs: list[tuple[int, int]] = []
    for index, point in enumerate(points):
        if not point.n:
            continue
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def _run(points: Sequence[TrendPoint], start: int, end: int, top: float) -> str:
    xs = [_x(index, len(points)) for index in range(start, end)]
    chosen = points[start:end]
    upper = [f"{x:.1f} {_y(point.high, top):.1f}" for x, point in zip(xs, chosen, strict=True)]
    lower = [f"{x:.1f} {_y(point.low, top):.1f}" for x, point in zip(xs, chosen, strict=True)]
    middle = [f"{x:.1f} {_y(point.rate, top):.1f}" for x, point in zip(xs, chosen, strict=True)]
    if len(chosen) == 1:
        band = f'<path class="ln" stroke="#3f474f" opacity=".5" d="M{upper[0]}L{lower[0]}"/>'
    else:
        band = f'<path class="band" fill="#dfe6ec" d="M{"L".join(upper + lower[::-1])}z"/>'
    line = (
        '<path class="ln" fill="none" stroke="#3f474f" stroke-width="1.8" '
        f'stroke-linejoin="round" d="M{"L".join(middle)}"/>'
    )
    dots = "".join(
        f'<circle class="m" fill="#3f474f" stroke="#fff" cx="{x:.1f}" '
        f'cy="{_y(point.rate, top):.1f}" r="3.4">'
        f"<title>{escape(point.name)}: {point.rate:.1%} ({point.low:.1%} to {point.high:.1%}), "
        f"{point.failing} of {point.n}</title></circle>"
        for x, point in zip(xs, chosen, strict=True)
    )
    return band + line + dots


def _named(n: int) -> list[int]:
    every = -(-n // MOST_NAMES) if n else 1
    return list(range(n - 1, -1, -every))


def _name(points: Sequence[TrendPoint], index: int) -> str:
    x = _x(index, len(points))
    return (
        f'<text fill="#545c65" font-size="12.5" text-anchor="middle" x="{x:.1f}" '
        f'y="{HEIGHT - 8}">{escape(points[index].name)}</text>'
    )


def _latest(points: Sequence[TrendPoint], index: int, top: float) -> str:
    point = points[index]
    return (
        f'<text class="now" fill="#1c2126" font-size="13.5" '
        f'x="{_x(index, len(points)) + 10:.1f}" y="{_y(point.rate, top) + 4.5:.1f}">'
        f"{point.rate * 100:.1f} %</text>"
    )
