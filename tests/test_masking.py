"""Personal data is hidden behind tokens, its length and its place stay, and looking is noted."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import reading
from app.main import create_app
from app.masking import hidden_again, masked, restored
from app.settings import Settings
from app.store.audit import entries
from app.tables import Annotation
from feedback_ui.passages import split_sentences
from tests.builders import FAKE_EVALUATORS, an_interaction, save, score_all
from tests.test_ui_review import GOOD, UNGROUNDED, annotations, item_in

PRIVATE = (
    "mia.meier+shop@mail.example.org",
    "+49 30 901820-12",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "192.168.17.4",
    "2001:db8::ff00:42:8329",
)
PLAIN = (
    "Order 4711-2345 of 2026-11-25 19:40:07 costs 1.299,00 euros.",
    "4111 1111 1111 1112 is no card, DE00 3704 0044 0532 0130 00 no account.",
    "Version 1.2.3.400 of a :: b @home, section 10.4.2.1.7, 100 000 000 times.",
    "0000 0000 0000 0000 and 1234567890",
)


@pytest.mark.parametrize("value", PRIVATE)
def test_personal_data_is_hidden_at_the_same_length(value: str) -> None:
    text = f"Write to {value}, or come."
    hidden = masked(text)
    assert value not in hidden
    assert len(hidden) == len(text)
    assert re.fullmatch(r"Write to \[(mail|phone|card|IBAN|IP)\]·*, or come\.", hidden)
    assert masked(hidden) == hidden
    assert split_sentences(hidden) == split_sentences(text)


@pytest.mark.parametrize("text", PLAIN)
def test_other_numbers_and_names_stay(text: str) -> None:
    assert masked(text) == text


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_any_text_keeps_its_length(text: str) -> None:
    assert len(masked(text)) == len(text)


def test_a_long_text_of_one_word_takes_no_long_time() -> None:
    for text in ("a" * 200_000, "1 " * 100_000, "a@" * 100_000, "+1" * 100_000, "::" * 100_000):
        assert len(masked(text)) == len(text)


def test_a_corrected_answer_keeps_what_its_tokens_hid() -> None:
    said = f"Ask {PRIVATE[0]} or {PRIVATE[1]}, {PRIVATE[0]} is faster."
    shown = masked(said)
    text = shown.replace("faster", "slower").replace("Ask", "Write to a@b.example,")
    whole = restored(text, shown, said)
    assert whole == said.replace("faster", "slower").replace("Ask", "Write to a@b.example,")
    assert hidden_again(whole, shown, said) == text
    assert restored("[mail]", shown, said) == "[mail]"
    alike = "Ask mia@a.example, not tom@a.example."
    cut = masked(alike).partition(",")[0]
    assert restored(cut, masked(alike), alike) == cut


@pytest.fixture
def desk(engine: Engine, settings: Settings, criteria: Criteria) -> Iterator[TestClient]:
    """A lead at a server that masks, with answers that hold personal data."""
    said = f"We open at nine, an invented time. Ask {PRIVATE[0]} now."
    rows = [
        an_interaction(trace_id=f"{n + 1:032x}", prompt=f"I am {PRIVATE[1]}?", response=said)
        for n in range(2)
    ]
    save(engine, rows)
    score_all(engine, criteria, settings)
    strict = settings.model_copy(update={"mask_personal_data": True})
    app = create_app(strict, evaluators=FAKE_EVALUATORS, criteria=criteria)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pages_show_tokens_until_a_lead_looks_and_that_is_noted(
    desk: TestClient, engine: Engine
) -> None:
    made = desk.post("/review", data={"name": "q", "size": "2"}, follow_redirects=False)
    queue = made.headers["location"]
    html = desk.get(queue).text
    item = item_in(html)
    pages = [html]
    kept = re.search(r'name="corrected_response"[^>]*>([^<]*)<', html)
    assert kept is not None
    form = {**GOOD, **UNGROUNDED, "key": "k", "corrected_response": kept[1]}
    bare = desk.post(f"{item}/unmask").text
    assert PRIVATE[0] in bare
    assert 'data-desk="blind"' in bare
    assert desk.post(item, data=form, follow_redirects=False).status_code == 303
    found: list[Annotation] = annotations(engine)
    assert {one.corrected_response for one in found} == {None}
    one = found[0].interaction_id
    pages += [desk.get(f"{queue}/history").text, desk.get(item).text]
    pages += [desk.get(path).text for path in ("/interactions", f"/interactions/{one}")]
    pages.append(desk.get("/conversation?id=c1").text)
    for page in pages:
        assert not [value for value in PRIVATE if value in page]
        assert "[phone]" in page
    assert PRIVATE[0] in desk.post(f"/interactions/{one}/unmask").text
    with reading(engine) as session:
        looked = list(entries(session, action="text.unmasked"))
    assert [entry.actor for entry in looked] == ["open access"] * 2
    assert looked[1].about == one
    assert "item" in json.loads(looked[0].details)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_correction_at_a_masked_desk_is_stored_whole_and_shown_with_tokens(
    desk: TestClient, engine: Engine
) -> None:
    made = desk.post("/review", data={"name": "q", "size": "2"}, follow_redirects=False)
    queue = made.headers["location"]
    html = desk.get(queue).text
    kept = re.search(r'name="corrected_response"[^>]*>([^<]*)<', html)
    assert kept is not None
    form = {**GOOD, "key": "k", "corrected_response": kept[1].replace("nine", "ten")}
    desk.post(item_in(html), data=form, follow_redirects=False)
    stored = {one.corrected_response for one in annotations(engine)} - {None}
    assert stored == {f"We open at ten, an invented time. Ask {PRIVATE[0]} now."}
    pages = [desk.get(item_in(html)).text, desk.post(f"{queue}/undo").text, desk.get(queue).text]
    assert "We open at ten" in pages[0]
    assert "We open at ten" in pages[2]
    assert not [page for page in pages if PRIVATE[0] in page]
