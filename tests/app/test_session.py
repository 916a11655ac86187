"""The search session: what it finds, what it says about bad input, marks, metrics and exports."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from colours import COLOURS, SHADES, ColourLearner, make_gallery
from PIL import Image

from pixcl_bench.app import page
from pixcl_bench.app.gallery import FilePictures, Gallery, PictureError
from pixcl_bench.app.session import SearchSession, SessionError
from pixcl_bench.methods.claires.index import ImageIndex, IndexMismatchError


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return make_gallery()


@pytest.fixture
def session(gallery: Gallery) -> SearchSession:
    return SearchSession(gallery)


def png(colour: tuple[int, int, int], side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def test_a_search_finds_what_is_named(session: SearchSession) -> None:
    answer = session.search("a blue square", 8)
    assert (answer.state, answer.message, len(answer.hits)) == ("found", "", 8)
    assert {hit.record["colour"] for hit in answer.hits} == {"blue"}
    assert [hit.rank for hit in answer.hits] == list(range(1, 9))
    assert [hit.score for hit in answer.hits] == sorted(h.score for h in answer.hits)[::-1]


@pytest.mark.parametrize("text", ["", "   \n", "?!"])
def test_an_empty_query_asks_for_words(session: SearchSession, text: str) -> None:
    answer = session.search(text)
    assert (answer.state, answer.hits) == ("empty", ())
    assert "Type some words" in answer.message


def test_unknown_words_are_named(session: SearchSession) -> None:
    answer = session.search("xyzzy Plugh")
    assert (answer.state, answer.hits) == ("unknown", ())
    assert "xyzzy, plugh" in answer.message
    partly = session.search("a red xyzzy")
    assert partly.state == "found"
    assert partly.message == "The model does not know: xyzzy."


def test_filters(session: SearchSession) -> None:
    answer = session.search("red", 20, {"shade": {"dark"}, "weight": (10, 20)})
    assert answer.hits
    for hit in answer.hits:
        assert hit.record["shade"] == "dark"
        assert 10 <= float(hit.record["weight"]) <= 20
    nothing = session.search("red", 5, {"weight": (1000, 2000)})
    assert nothing.state == "nothing"
    assert "filters" in nothing.message
    with pytest.raises(SessionError, match="no record has a field 'shad': there is shade"):
        session.search("red", 5, {"shad": {"dark"}})


@pytest.mark.parametrize("k", [0, -1, 101])
def test_the_number_of_results_is_checked(session: SearchSession, k: int) -> None:
    with pytest.raises(SessionError, match="1 to 100"):
        session.search("red", k)


def test_more_than_there_is_gives_all(session: SearchSession) -> None:
    assert len(session.search("red", 100).hits) == 24


def test_similar_images_leave_the_image_out(session: SearchSession) -> None:
    answer = session.similar("square-04", 23)
    assert "square-04" not in {hit.id for hit in answer.hits}
    assert len(answer.hits) == 23
    assert answer.hits[0].record["colour"] == "green"
    with pytest.raises(SessionError, match="no image 'square-99'"):
        session.similar("square-99")


def test_search_by_an_image(session: SearchSession) -> None:
    answer = session.search_by_image(png((250, 0, 0), 30), 4)
    assert {hit.record["colour"] for hit in answer.hits} == {"red"}


@pytest.mark.parametrize("data", [b"", b"not an image", png((1, 2, 3))[:40], b"GIF89a" + b"\0" * 9])
def test_a_broken_upload_is_a_message(session: SearchSession, data: bytes) -> None:
    answer = session.search_by_image(data)
    assert (answer.state, answer.hits) == ("bad_image", ())
    assert answer.message == "The file cannot be read as an image."


def test_an_index_of_another_model_is_refused(gallery: Gallery) -> None:
    parts = {name: getattr(gallery, name) for name in ("index", "captioner", "pictures", "title")}
    with pytest.raises(IndexMismatchError, match="build the index again"):
        Gallery(learner=ColourLearner(offset=0.5), **parts)


def test_marks_and_live_metrics(session: SearchSession) -> None:
    first = session.search("red", 5)
    session.mark(first.hits[0].id, False)
    session.mark(first.hits[1].id, True)
    second = session.search("green", 5)
    session.mark(second.hits[3].id, False)
    found = session.live_metrics()
    # First ranks by the marks: 2, and none.
    assert (found.marks.queries, found.marks.mrr) == (2, 0.25)
    assert found.marks.hit == {1: 0.0, 3: 0.5, 5: 0.5, 10: 0.5}
    # The queries name a colour: every image of that colour is right.
    assert (found.records.queries, found.records.mrr, found.records.hit[1]) == (2, 1.0, 1.0)
    session.mark(second.hits[3].id, None)
    session.mark(first.hits[1].id, None, first.number)
    session.mark(first.hits[0].id, True, first.number)
    assert session.live_metrics().marks.mrr == 1.0
    assert session.marks(first.number) == {first.hits[0].id: True}
    with pytest.raises(SessionError, match="not in the history"):
        session.mark("square-00", True, 77)
    with pytest.raises(SessionError, match="not a result"):
        session.mark("square-99", True)


def test_relevance_by_the_records(session: SearchSession) -> None:
    caption = session.search("A DARK red square")
    assert (caption.relevance, caption.first) == ("the same caption", 1 + 4)  # bright ones first
    field = session.search("something dark")
    assert field.relevance == "the same shade"
    assert session.search("square").relevance == ""
    assert session.live_metrics().records.queries == 2


def test_explain(session: SearchSession, gallery: Gallery) -> None:
    terms = session.explain("a redder, dark one", gallery.index.records[0])
    named = {term.name: term.named for term in terms}
    assert named == {"shade": True, "colour": False, "weight": False, "note": False}


def test_exports(session: SearchSession, tmp_path: Path) -> None:
    answer = session.search("red", 3)
    session.mark(answer.hits[1].id, True)
    session.search("=1+1 red", 1)
    with session.export(tmp_path / "marks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mark"] for row in rows] == ["", "relevant", "", ""]
    assert rows[0]["image_id"] == answer.hits[0].id
    assert rows[3]["query"] == "'=1+1 red", "no formula for a spreadsheet"
    found = json.loads(session.export(tmp_path / "marks.json").read_text("utf-8"))
    assert found["queries"][0]["results"][1]["relevant"] is True
    assert found["metrics"]["marks"]["queries"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marks.csv", "marks.json"]
    with pytest.raises(SessionError, match="use csv or json"):
        session.export(tmp_path / "marks.txt")


def test_patients_are_never_shown(session: SearchSession, tmp_path: Path) -> None:
    answer = session.search("red", 24)
    session.gallery.index.save(tmp_path)
    shown = [session.export_text("csv"), session.export_text("json"), (tmp_path / "manifest.csv")]
    shown += [page.document(session, answer), page.welcome(session.gallery)]
    for text in (each if isinstance(each, str) else each.read_text() for each in shown):
        assert "PATIENT" not in text
        assert "patient_id" not in text


def test_html_in_records_and_queries_is_text(session: SearchSession) -> None:
    answer = session.search("dark red <img src=x onerror=alert(1)>", 24)
    for text in (page.document(session, answer), page.results(session, answer)):
        assert "&lt;b&gt;bold&lt;/b&gt;" in text
        assert "<b>bold" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text
        assert "<img src=x" not in text
    assert "<img src=x" not in page.history(session)


def test_the_page_of_results_needs_nothing_from_outside(session: SearchSession) -> None:
    text = page.document(session, session.search("red", 3))
    assert text.count('src="data:image/png;base64,') == 3
    assert "http" not in text
    assert "<script" not in text
    assert "@import" not in text


def test_pictures_stay_in_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(png((9, 9, 9)))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "good.png").write_bytes(png((9, 9, 9)))
    (folder / "broken.png").write_bytes(b"no image")
    secret = str(tmp_path / "secret.png")
    names = ["good.png", "../secret.png", secret, "link.png", "none.png", "broken.png"]
    pictures = FilePictures(folder, names, 8)
    assert pictures.png(0).startswith(b"\x89PNG")
    for row in (1, 2, 3):
        with pytest.raises(PictureError, match="leaves the folder"):
            pictures.png(row)
    with pytest.raises(PictureError, match=r"'none.png' is missing"):
        pictures.png(4)
    with pytest.raises(PictureError, match="cannot be read"):
        pictures.png(5)


def test_a_missing_image_file_is_said_in_its_place(tmp_path: Path) -> None:
    names = [f"square-{i}.png" for i in range(24)]
    session = SearchSession(make_gallery(pictures=FilePictures(tmp_path, names, 8)))
    text = page.results(session, session.search("red", 2))
    assert text.count("is missing.") == 2
    assert "<img" not in text


def test_many_queries_leave_nothing_behind(
    session: SearchSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixcl_bench.app.session.REMEMBERED", 20)
    for i in range(50):
        answer = session.search(f"{list(COLOURS)[i % 3]} {list(SHADES)[i % 2]}")
        session.mark(answer.hits[0].id, True)
    assert len(session.history) == 20
    assert session.history[0].number == 31
    assert session.live_metrics().marks.queries == 20


def test_an_empty_index_says_so() -> None:
    gallery = make_gallery(1)
    index = ImageIndex(torch.empty(0, 3), (), (), gallery.index.fingerprint)
    empty = Gallery(
        index=index,
        learner=gallery.learner,
        captioner=gallery.captioner,
        pictures=gallery.pictures,
        title="Empty",
    )
    assert SearchSession(empty).search("red").state == "nothing"
    assert "holds no image" in page.welcome(empty)
