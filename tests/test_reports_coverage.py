"""The section on coverage: where verdicts are missing, and how labelling went."""

from datetime import timedelta

from sqlalchemy import Engine
from sqlmodel import Session

from app.criteria import Criteria
from app.reports.findings import find
from app.reports.labels import Label
from app.reports.material import Material
from app.reports.review_work import ReviewWork, read_review_work
from app.reports.scope import Scope
from app.reports.sections.coverage import find_weak, given_twice, heading, section
from app.reports.tallies import EVERYTHING, Slice, Source, Tallies, Tally
from app.tables import Adjudication, ReviewItem, ReviewQueue, ReviewTurn
from tests.builders import WEDNESDAY, some_interactions

GERMAN, ENGLISH = Slice("language", "de"), Slice("language", "en")
LANGUAGES = {"a": {"language": "de"}, "b": {"language": "en"}}
JUDGED = frozenset({Source("judge", "1", 0.5)})


def label(answer: str, reviewer: str, criterion: str = "toxicity") -> Label:
    return Label(
        answer, criterion, reviewer, False, False, None, 0.1, answer, 0, False, LANGUAGES[answer]
    )


def test_an_answer_counts_as_labelled_twice_once_however_many_people_labelled_it() -> None:
    labels = [label("a", "ann"), label("a", "ben"), label("a", "eve"), label("b", "ann")]
    assert given_twice(labels) == 1


def test_two_labels_of_one_reviewer_or_of_two_criteria_are_no_second_label() -> None:
    assert given_twice([label("a", "ann"), label("a", "ann"), label("a", "ben", "bias")]) == 0
    assert given_twice([]) == 0


def received(criteria: Criteria, cells: dict[Slice, tuple[int, int]]) -> Material:
    """A week of which so many of so many answers could not be judged, per slice."""
    counted = {
        where: [Tally(scored=n - missing, failed=missing)] for where, (missing, n) in cells.items()
    }
    tallies = Tallies(("2026-W40",), (1,), {"toxicity": counted}, {"toxicity": [JUDGED]})
    return Material(
        project="default",
        application=None,
        week="2026-W40",
        time_zone="UTC",
        criteria=criteria,
        tallies=tallies,
        findings=find(tallies, list(criteria.by_name)),
        labels=(label("a", "ann"), label("b", "ann")),
    )


def test_the_slice_of_which_fewest_answers_were_judged_is_named(criteria: Criteria) -> None:
    cells = {EVERYTHING: (40, 400), GERMAN: (35, 100), ENGLISH: (5, 300)}
    material = received(criteria, cells)
    (weak,) = find_weak(material)
    assert (weak.where, weak.comparison.failing, weak.comparison.other_failing) == (GERMAN, 35, 5)
    assert heading(material).endswith("fewest of language de")
    table = section(material)["blocks"][-1]
    assert [cell.get("value", cell.get("text")) for cell in table["rows"][0]][-1] == 1


def test_a_slice_that_lacks_as_many_verdicts_as_the_others_is_not_named(criteria: Criteria) -> None:
    even = received(criteria, {EVERYTHING: (40, 400), GERMAN: (11, 100), ENGLISH: (29, 300)})
    assert find_weak(even) == []
    small = received(criteria, {EVERYTHING: (15, 400), GERMAN: (10, 15), ENGLISH: (5, 385)})
    assert find_weak(small) == []
    assert "fewest" not in heading(even)


def test_the_work_of_reviewers_is_told_for_all_of_them_together(engine: Engine) -> None:
    week = some_interactions(3)
    with Session(engine) as session:
        session.add_all(week)
        items = some_items(session, [one.id for one in week])
        session.add_all(
            [
                a_turn(items[0], "ann", "stored", 20.0),
                a_turn(items[0], "ben", "stored", 50.0),
                a_turn(items[1], "ann", "stored", 30.0),
                a_turn(items[2], "ann", "skipped", 2.0),
                a_decision(items[0]),
            ]
        )
        session.commit()
        hour = timedelta(hours=1)
        scope = Scope("default", None, WEDNESDAY - hour, WEDNESDAY + hour)
        assert read_review_work(session, scope) == ReviewWork(2, 30.0, 1, 1)
        elsewhere = Scope("default", "another", scope.from_at, scope.to_at)
        assert read_review_work(session, elsewhere) == ReviewWork(0, None, 0, 0)


def some_items(session: Session, interactions: list[str]) -> list[ReviewItem]:
    queue = ReviewQueue(project="default", name="q", created_by="ann", created_at=WEDNESDAY)
    session.add(queue)
    session.flush()
    items = [
        ReviewItem(
            queue_id=queue.id or 0,
            interaction_id=one,
            position=place,
            stratum="all",
            inclusion_probability=1.0,
        )
        for place, one in enumerate(interactions)
    ]
    session.add_all(items)
    session.flush()
    return items


def a_decision(item: ReviewItem) -> Adjudication:
    return Adjudication(
        project="default",
        item_id=item.id or 0,
        interaction_id=item.interaction_id,
        criterion="toxicity",
        label="toxic",
        cause="rule",
        decided_by="lead",
        decided_at=WEDNESDAY,
    )


def a_turn(item: ReviewItem, reviewer: str, status: str, seconds: float) -> ReviewTurn:
    return ReviewTurn(
        queue_id=item.queue_id,
        item_id=item.id or 0,
        reviewer=reviewer,
        status=status,
        seconds=seconds,
        until_at=WEDNESDAY,
        started_at=WEDNESDAY,
    )
