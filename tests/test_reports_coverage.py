"""The section on coverage: what people labelled twice."""

from app.reports.labels import Label
from app.reports.sections.coverage import given_twice


def label(answer: str, reviewer: str, criterion: str = "toxicity") -> Label:
    return Label(answer, criterion, reviewer, False, False, None, 0.1, answer, 0, False, {})


def test_an_answer_counts_as_labelled_twice_once_however_many_people_labelled_it() -> None:
    labels = [label("a", "ann"), label("a", "ben"), label("a", "eve"), label("b", "ann")]
    assert given_twice(labels) == 1


def test_two_labels_of_one_reviewer_or_of_two_criteria_are_no_second_label() -> None:
    assert given_twice([label("a", "ann"), label("a", "ann"), label("a", "ben", "bias")]) == 0
    assert given_twice([]) == 0
