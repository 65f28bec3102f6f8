"""The demo's data: synthetic, always the same, natural, with its events really in it."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.criteria import read_criteria
from app.demo.events import (
    BAD_RELEASE,
    EVENTS,
    GERMAN_SERVED_WORSE,
    QUIET_WEEK,
    RETRIEVAL_OUTAGE,
    TOXIC_BURST,
    WEEKS,
    Event,
    monday_of,
)
from app.demo.library import APPLICATIONS, LANGUAGES, passages_of
from app.demo.review import PER_WEEK, REVIEWERS, labels, thumbs
from app.demo.send import SPANS_EACH, send
from app.demo.server import DemoFailed, fresh_database
from app.demo.spans import spans_of_interaction
from app.demo.traffic import DemoInteraction, demo_traffic, digest
from app.errors import SetupError
from app.ingest.assemble import assemble_trace
from app.ingest.chunks import spans_of_chunk
from app.ingest.otlp import decode_traces

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORDINARY_WEEKS = ("2026-W40", "2026-W41", "2026-W42", QUIET_WEEK)
CRITERIA = read_criteria()
KNOWN = {one.name: [label.name for label in one.labels] for one in CRITERIA}


class Kept(SpanExporter):
    """Keeps what the SDK exports, and can refuse it as a server would."""

    def __init__(self, result: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans.extend(spans)
        return self.result

    def shutdown(self) -> None:
        """Nothing is open."""


def failing_rate(interactions: Sequence[DemoInteraction], criterion: str) -> float:
    known = CRITERIA.get(criterion)
    judged = [known.label(one.truth[criterion]).fails for one in interactions]
    return sum(fails is True for fails in judged) / len(judged)


def concerned(event: Event) -> list[DemoInteraction]:
    days = [monday_of(event.week).date() + timedelta(days=day) for day in event.days]
    return [
        one
        for one in demo_traffic()
        if one.started_at.date() in days
        and event.application in (None, one.application)
        and event.language in (None, one.language)
    ]


def in_week(week: str) -> list[DemoInteraction]:
    return [one for one in demo_traffic() if one.week == week]


def test_the_traffic_is_the_same_on_every_run():
    first = digest(demo_traffic())
    demo_traffic.cache_clear()
    assert digest(demo_traffic()) == first


def test_there_are_eight_weeks_of_three_applications_in_three_languages():
    traffic = demo_traffic()
    assert 720 <= len(traffic) <= 880
    assert {one.application for one in traffic} == set(APPLICATIONS)
    assert list(dict.fromkeys(one.week for one in traffic)) == list(WEEKS)
    for week in WEEKS:
        assert 90 <= len(in_week(week)) <= 110
    shares = Counter(one.language for one in traffic)
    assert shares["de"] / len(traffic) == pytest.approx(0.22, abs=0.03)
    assert shares["es"] / len(traffic) == pytest.approx(0.14, abs=0.03)


def test_interactions_lie_in_their_week_by_day_and_in_order():
    traffic = demo_traffic()
    assert list(traffic) == sorted(traffic, key=lambda one: one.started_at)
    for one in traffic:
        year, week, _ = one.started_at.isocalendar()
        assert f"{year}-W{week}" == one.week
        assert 7 <= one.started_at.hour <= 21


def test_conversations_have_one_to_three_turns_of_one_user():
    turns: dict[str, list[DemoInteraction]] = {}
    for one in demo_traffic():
        turns.setdefault(one.conversation, []).append(one)
    assert {len(some) for some in turns.values()} == {1, 2, 3}
    for some in turns.values():
        assert len({(one.user, one.language, one.application) for one in some}) == 1


@pytest.mark.parametrize("application", APPLICATIONS)
def test_an_application_knows_at_least_twenty_passages_of_natural_length(application: str):
    known = [one for language in LANGUAGES for one in passages_of(application, language)]
    assert len(known) >= 20
    assert len({one.text for one in known}) == len(known)
    for passage in known:
        assert 50 <= len(passage.text.split()) <= 95, passage.id
        assert len(passage.questions) >= 4
        assert len(passage.answers) >= 3
        assert len(passage.ungrounded) >= 3


def test_no_text_has_a_placeholder_or_a_double_blank():
    for one in demo_traffic():
        for text in (one.prompt, one.response, *one.contexts):
            assert text == text.strip()
            assert not re.search(r"[{}<>\[\]]|  |TODO|lorem", text), text
            assert text[-1] in ".?!", text


def test_hardly_any_question_and_answer_is_repeated_word_for_word():
    pairs = Counter((one.prompt, one.response) for one in demo_traffic())
    assert max(pairs.values()) <= 4
    assert len(pairs) >= 0.9 * len(demo_traffic())


@pytest.mark.parametrize("week", ORDINARY_WEEKS)
def test_ordinary_weeks_have_the_base_rates(week: str):
    interactions = in_week(week)
    assert failing_rate(interactions, "groundedness") == pytest.approx(0.09, abs=0.015)
    assert failing_rate(interactions, "answer_relevance") == pytest.approx(0.05, abs=0.015)
    assert failing_rate(interactions, "context_relevance") == pytest.approx(0.05, abs=0.015)
    assert failing_rate(interactions, "toxicity") == pytest.approx(0.01, abs=0.01)
    assert failing_rate(interactions, "bias") == pytest.approx(0.01, abs=0.01)


@pytest.mark.parametrize(
    ("event", "least"),
    [
        (BAD_RELEASE, 0.55),
        (RETRIEVAL_OUTAGE, 0.65),
        (GERMAN_SERVED_WORSE, 0.50),
        (TOXIC_BURST, 0.75),
    ],
)
def test_a_planted_event_is_really_in_the_data(event: Event, least: float):
    assert len(concerned(event)) >= 20
    assert failing_rate(concerned(event), event.criterion) >= least


def test_german_is_half_wrong_in_its_bad_week():
    interactions = concerned(GERMAN_SERVED_WORSE)
    wrong = [
        one
        for one in interactions
        if failing_rate([one], "groundedness") or failing_rate([one], "answer_relevance")
    ]
    assert len(wrong) / len(interactions) >= 0.45


def test_events_lie_in_different_weeks_and_never_in_an_ordinary_one():
    weeks = [event.week for event in EVENTS]
    assert len(set(weeks)) == len(weeks)
    assert not set(weeks) & set(ORDINARY_WEEKS)


def test_the_bad_release_is_rolled_back():
    releases = {
        one.week: one.release for one in demo_traffic() if one.application == "shop-assistant"
    }
    assert releases["2026-W42"] == "2.3.0"
    assert releases[BAD_RELEASE.week] == "2.4.0"
    assert releases["2026-W44"] == "2.3.0"


def test_everything_that_is_sent_is_read_back_as_it_was_meant():
    traffic = demo_traffic()
    exporters: list[Kept] = []

    def exporter() -> Kept:
        exporters.append(Kept())
        return exporters[-1]

    assert send(traffic, exporter) == SPANS_EACH * len(traffic)
    by_trace = {}
    for kept in exporters:
        body = encode_spans(kept.spans).SerializeToString()
        decoded = decode_traces(body, "application/x-protobuf", project="default")
        assert decoded.rejected == 0
        for span in (one for row in decoded.rows for one in spans_of_chunk(row, "default", NOW)):
            by_trace.setdefault(span.trace_id, []).append(span)
    for one in traffic:
        (row,) = assemble_trace(by_trace[f"{one.trace_id:032x}"], [], now=NOW)
        assert (row.prompt, row.response) == (one.prompt, one.response)
        assert tuple(row.contexts) == one.contexts
        assert (row.application, row.model) == (one.application, one.model)
        assert row.conversation_id == one.conversation
        assert timedelta() <= row.started_at - one.started_at < timedelta(seconds=one.seconds)
        assert row.segments["language"] == one.language
        assert row.segments["channel"] == one.channel
        assert row.segments["user_group"] == one.user_group
        assert row.segments["release"] == one.release
        assert row.segments["prompt_version"] == one.prompt_version


def test_spans_of_an_interaction_nest_in_time():
    for one in demo_traffic():
        root, retrieval, chat = spans_of_interaction(one)
        assert root.start_ns <= retrieval.start_ns < retrieval.end_ns <= chat.start_ns
        assert chat.start_ns < chat.end_ns <= root.end_ns


def test_ids_are_never_used_twice():
    traffic = demo_traffic()
    spans = [span_id for one in traffic for span_id in one.span_ids]
    assert len({one.trace_id for one in traffic}) == len(traffic)
    assert len(set(spans)) == len(spans)
    assert 0 not in spans


def test_spans_that_the_server_refuses_make_the_demo_fail():
    with pytest.raises(DemoFailed, match="acknowledged 0 of 30 spans"):
        send(demo_traffic()[:10], lambda: Kept(SpanExportResult.FAILURE))


def test_synthetic_reviewers_label_a_random_sample_of_every_week():
    made = list(labels(demo_traffic(), KNOWN))
    assert made == list(labels(demo_traffic(), KNOWN))
    assert {one.reviewer for one in made} == set(REVIEWERS)
    for week in WEEKS:
        sampled = {one.trace_id for one in made if one.stratum == week}
        assert len(sampled) == PER_WEEK
    keys = [one.body("an id")["idempotency_key"] for one in made]
    assert len(set(keys)) == len(keys)


def test_synthetic_labels_are_the_truth_with_few_slips():
    truth = {f"{one.trace_id:032x}": one.truth for one in demo_traffic()}
    made = list(labels(demo_traffic(), KNOWN))
    slips = [one for one in made if one.label != truth[one.trace_id][one.criterion]]
    assert 0.02 <= len(slips) / len(made) <= 0.06
    for one in made:
        assert CRITERIA.get(one.criterion).label(one.label)


def test_some_synthetic_users_give_a_thumb():
    traces = {f"{one.trace_id:032x}" for one in demo_traffic()}
    given = list(thumbs(demo_traffic()))
    assert len(given) / len(demo_traffic()) == pytest.approx(0.15, abs=0.04)
    assert {one["value"] for one in given} == {0, 1}
    assert all(one["trace_id"] in traces for one in given)


def test_the_demo_overwrites_only_its_own_database(tmp_path):
    former = tmp_path / "touchstone-demo.db"
    precious = tmp_path / "touchstone.db"
    former.write_text("old")
    precious.write_text("precious")
    assert not fresh_database(former).exists()
    with pytest.raises(SetupError, match="exists"):
        fresh_database(precious)
    assert precious.read_text() == "precious"
