"""How often the report claims what is not there, and how often it finds what is.

Weeks are simulated from known rates, counted like real ones, and given to the rules for findings.
Run with `make bench-findings`; the figures go to `benchmarks/findings.md`.
"""

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from app.reports.findings import LEAST_CHANGE, MEASURE_LEVEL, Findings, find
from app.reports.tallies import EVERYTHING, Slice, Source, Tallies, Tally
from app.statistics.control_charts import PER_MOVING_RANGE

TARGET = Path(__file__).with_name("findings.md")
RATES = {
    "groundedness": 0.10,
    "answer_relevance": 0.06,
    "context_relevance": 0.08,
    "toxicity": 0.01,
    "bias": 0.01,
}
KEYS, VALUES = 8, 5
"""Eight segments with five values each: forty slices."""
EARLIER_WEEKS = 8
QUIET_WEEKS = 500
CHANGED_WEEKS = 200
CHANGES = (0.03, 0.05)
TURNS, CORRELATION = 4, 0.2
"""What is assumed of conversations."""
MANY = 2000
ANSWERS = (200, MANY)
CHUNK = 25
ONE_SOURCE = frozenset([Source("judge", "1", 0.5)])


@dataclass(frozen=True, slots=True)
class Change:
    """A rise of one criterion's failures in the last week: everywhere, or in one slice."""

    points: float
    where: Slice = EVERYTHING


def simulated(rng: np.random.Generator, answers: int, change: Change | None = None) -> Findings:
    """The findings after a week, quiet or changed, that eight ordinary weeks went before."""
    weeks = [_week(rng, answers, None) for _ in range(EARLIER_WEEKS)]
    weeks.append(_week(rng, answers, change))
    names = tuple(f"2026-W{30 + number}" for number in range(len(weeks)))
    cells = {
        name: {part: [week[name][part] for week in weeks] for part in weeks[-1][name]}
        for name in RATES
    }
    sources = dict.fromkeys(RATES, [ONE_SOURCE] * len(weeks))
    return find(Tallies(names, (answers,) * len(weeks), cells, sources), list(RATES))


def claims_a_regression(findings: Findings) -> bool:
    """Whether anything is said to have got worse, or to be worse than the rest."""
    worse = any(one.change in ("worse", "still_worse") for one in findings.failing.values())
    return worse or any(part.verdict != "none" for part in findings.parts)


def finds(findings: Findings, change: Change) -> bool:
    """Whether the change of groundedness is named, where it is."""
    if change.where == EVERYTHING:
        return findings.failing["groundedness"].change == "worse"
    return change.where in [part.where for part in findings.places("groundedness", "worse")]


def theory(answers: int, points: float) -> float:
    """The power of the two-sided test of the criterion against its usual rate, normal theory.

    Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 2003, section 4.
    """
    normal, before = NormalDist(), RATES["groundedness"]
    after, usual = before + points, answers * EARLIER_WEEKS
    pooled = (after * answers + before * usual) / (answers + usual)
    null = (pooled * (1 - pooled) * (1 / answers + 1 / usual)) ** 0.5
    real = (after * (1 - after) / answers + before * (1 - before) / usual) ** 0.5
    return 1 - normal.cdf((normal.inv_cdf(1 - MEASURE_LEVEL / 2) * null - points) / real)


def design_effect(turns: float, correlation: float) -> float:
    """How much wider than independent answers those of conversations of so many turns vary.

    1 + (turns - 1) × correlation within a conversation: Kish, Survey Sampling, 1965, section 5.4.
    """
    return 1 + (turns - 1) * correlation


def theory_of_rules(
    answers: int, points: float, draws: int = 100_000, *, effect: float = 1.0
) -> float:
    """The power of the report's rules together, by normal theory with so many draws.

    A rise must hold after correcting for the five criteria compared (the smallest of five p-values
    against a fifth of the level, Benjamini and Hochberg), reach the practical size, and lie above
    limits whose width is estimated from eight weeks and never less than the binomial's (Laney).
    The design effect widens what varies; the tests do not know of it.
    """
    before, rng = RATES["groundedness"], np.random.default_rng(1)
    after, usual_n = before + points, answers * EARLIER_WEEKS
    spread = (before * (1 - before) / answers) ** 0.5
    wider = effect**0.5
    weeks = before + wider * spread * rng.standard_normal((draws, EARLIER_WEEKS))
    now = after + wider * (after * (1 - after) / answers) ** 0.5 * rng.standard_normal(draws)
    usual = weeks.mean(axis=1)
    pooled = (now * answers + usual * usual_n) / (answers + usual_n)
    null = np.sqrt(pooled * (1 - pooled) * (1 / answers + 1 / usual_n))
    level = MEASURE_LEVEL / len(RATES)
    holds = (now - usual) / null > NormalDist().inv_cdf(1 - level / 2)
    ranges = np.abs(np.diff(weeks, axis=1)).mean(axis=1) / PER_MOVING_RANGE
    limit = usual + 3 * np.maximum(spread, ranges)
    return float(np.mean(holds & (now > limit) & (now - usual >= LEAST_CHANGE)))


def false_claims(answers: int, weeks: int, seed: int = 6) -> int:
    """In how many of the quiet weeks the report claims something."""
    rng = np.random.default_rng([seed, answers])
    return sum(claims_a_regression(simulated(rng, answers)) for _ in range(weeks))


def found(answers: int, change: Change, weeks: int, seed: int = 6) -> int:
    """In how many of the changed weeks the report names the change."""
    rng = np.random.default_rng([seed, answers, round(1000 * change.points)])
    return sum(finds(simulated(rng, answers, change), change) for _ in range(weeks))


def _week(
    rng: np.random.Generator, answers: int, change: Change | None
) -> Mapping[str, Mapping[Slice, Tally]]:
    values = rng.integers(VALUES, size=(KEYS, answers))
    return {name: dict(_tallies(rng, name, values, change)) for name in RATES}


def _tallies(
    rng: np.random.Generator, name: str, values: np.ndarray, change: Change | None
) -> Iterator[tuple[Slice, Tally]]:
    answers = values.shape[1]
    rates = np.full(answers, RATES[name])
    if change is not None and name == "groundedness":
        rates[_members(values, change.where)] += change.points
    fails = rng.random(answers) < rates
    yield EVERYTHING, Tally(scored=answers, failing=int(fails.sum()))
    for key in range(KEYS):
        n = np.bincount(values[key], minlength=VALUES)
        failing = np.bincount(values[key], weights=fails, minlength=VALUES)
        for value in range(VALUES):
            part = Slice(f"segment_{key}", str(value))
            yield part, Tally(scored=int(n[value]), failing=int(failing[value]))


def _members(values: np.ndarray, where: Slice) -> np.ndarray:
    if where == EVERYTHING:
        return np.ones(values.shape[1], dtype=bool)
    return np.asarray(values[int(where.key.rpartition("_")[2])] == int(where.value))


def _lines(pool: Executor, quiet: int, changed: int) -> Iterator[str]:
    wrong = {answers: _quiet(pool, answers, quiet) for answers in ANSWERS}
    in_one_slice = Change(0.15, Slice("segment_0", "0"))
    changes = [*(Change(points) for points in CHANGES), in_one_slice]
    named = {change: _changed(pool, change, changed) for change in changes}
    yield "# What the report claims, and what it finds\n"
    yield (
        "Five criteria, forty overlapping slices, eight ordinary weeks before; "
        f"{quiet} quiet weeks and {changed} changed ones a row. `make bench-findings`.\n"
    )
    yield "| quiet weeks of | claim a regression | at most |\n|---|---|---|"
    for answers, waiting in wrong.items():
        share = sum(one.result() for one in waiting) / quiet
        yield f"| {answers:,} answers | {100 * share:.1f} % | 5 % |"
    yield (
        "\n| failures on groundedness rise by | named | theory of the rules | the same for turns "
        "of conversations | theory of one uncorrected test |\n|---|---|---|---|---|"
    )
    for change, waiting in named.items():
        power = sum(one.result() for one in waiting) / changed
        everywhere = change.where == EVERYTHING
        words = f"{100 * change.points:g} points {'everywhere' if everywhere else 'in one slice'}"
        plain = f"{100 * theory(MANY, change.points):.0f} %" if everywhere else ""
        rules = f"{100 * theory_of_rules(MANY, change.points):.0f} %" if everywhere else ""
        turns = f"{100 * _in_conversations(change.points):.0f} %" if everywhere else ""
        yield f"| {words}, {MANY:,} answers | {100 * power:.0f} % | {rules} | {turns} | {plain} |"
    yield (
        "\nThe rules ask for more than one test does: the correction for all criteria, the "
        "practical size, and a place above limits that eight weeks teach and that are never "
        "narrower than the binomial's. The simulated answers are independent of each other, so the "
        "share named is to be compared with the theory of the rules; turns of one conversation are "
        f"not. Of conversations of {TURNS} turns whose failures correlate by {CORRELATION:g} the "
        f"rates vary with a design effect of {design_effect(TURNS, CORRELATION):g} (Kish), which "
        "is assumed and not simulated."
    )


def _in_conversations(points: float) -> float:
    return theory_of_rules(MANY, points, effect=design_effect(TURNS, CORRELATION))


def _quiet(pool: Executor, answers: int, weeks: int) -> list[Future[int]]:
    return [
        pool.submit(false_claims, answers, size, seed) for seed, size in enumerate(_chunks(weeks))
    ]


def _changed(pool: Executor, change: Change, weeks: int) -> list[Future[int]]:
    return [
        pool.submit(found, MANY, change, size, seed) for seed, size in enumerate(_chunks(weeks))
    ]


def _chunks(weeks: int) -> list[int]:
    return [min(CHUNK, weeks - done) for done in range(0, weeks, CHUNK)]


def main(arguments: list[str]) -> None:
    """Write the figures; with a number of weeks, of so many weeks each."""
    quiet = int(arguments[0]) if arguments else QUIET_WEEKS
    changed = int(arguments[0]) if arguments else CHANGED_WEEKS
    with ProcessPoolExecutor() as pool:
        text = "\n".join([*_lines(pool, quiet, changed), ""])
    TARGET.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
