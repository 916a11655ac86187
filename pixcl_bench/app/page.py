"""The HTML of results: cards for the app, and a page of its own for one answer.

Everything that comes from records, captions, queries and files is escaped, so that HTML in it is
shown as text. The page needs nothing from outside: style and pictures are inside it.
"""

import math
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from pixcl_bench.app.gallery import Gallery, PictureError
from pixcl_bench.app.session import KS, Answer, LiveMetrics, Scores, SearchSession, Term
from pixcl_bench.methods.claires.index import Hit

NOTICE = "For research only. This is not a medical device and must not be used for diagnosis."
_LABELS = {"rbl_percent": "bone loss", "race_ethnicity": "ethnicity"}
TITLES = {"text": "Results for", "similar": "Images like", "image": "Images like the"}


def template(name: str) -> str:
    """A file of the folder `templates`."""
    return (files("pixcl_bench.app") / "templates" / name).read_text("utf-8")


def data_url(kind: str, data: bytes) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{b64encode(data).decode()}"


def label(name: str) -> str:
    """The name of a field as it is shown."""
    return _LABELS.get(name, name.replace("_", " "))


def picture(gallery: Gallery, image_id: str, words: str) -> str:
    """The picture of an image, or why there is none."""
    try:
        url = data_url("image/png", gallery.pictures.png(gallery.row(image_id)))
    except PictureError as error:
        return f'<div class="px-nopic" role="img">{escape(str(error))}</div>'
    return f'<img src="{url}" alt="{escape(words)}" loading="lazy">'


def card(session: SearchSession, answer: Answer, hit: Hit, buttons: bool) -> str:
    """One result: picture, rank, score, caption, fields, and buttons where wanted."""
    gallery = session.gallery
    caption = gallery.captioner.canonical(hit.record)
    terms = session.explain(answer.query if answer.kind == "text" else "", hit.record)
    mark = session.marks(answer.number).get(hit.id)
    return (
        f'<article class="px-card" data-image="{escape(hit.id)}">'
        f"<figure>{picture(gallery, hit.id, f'Result {hit.rank}: {caption}')}</figure>"
        f'<div class="px-body">{score_bar(hit)}<p class="px-caption">{escape(caption)}</p>'
        f"{fields(terms)}{actions(answer, hit, mark) if buttons else marked(mark)}</div></article>"
    )


def score_bar(hit: Hit) -> str:
    """Rank, cosine, and a bar that is full at 1 and empty at 0 and below."""
    width = round(100 * max(0.0, min(1.0, hit.score)))
    return (
        f'<div class="px-score"><span class="px-rank">{hit.rank}</span>'
        f'<span class="px-bar" aria-hidden="true"><span style="width:{width}%"></span></span>'
        f'<span class="px-cosine" title="cosine of query and image">{hit.score:.3f}</span></div>'
    )


def fields(terms: Sequence[Term]) -> str:
    """The fields of a record; those that the query names are marked."""
    shown = "".join(
        f"<div{' class=px-named' if term.named else ''}><dt>{escape(label(term.name))}</dt>"
        f"<dd>{escape(term.value)}</dd></div>"
        for term in terms
    )
    return f"<dl>{shown}</dl>"


def actions(answer: Answer, hit: Hit, mark: bool | None) -> str:
    """The buttons of a result."""
    where = f'data-id="{escape(hit.id)}" data-query="{answer.number}"'
    return (
        '<div class="px-actions">'
        f'<button type="button" data-act="similar" {where}>More like this</button>'
        f'<button type="button" data-act="yes" {where} aria-pressed="{_truth(mark is True)}"'
        f' aria-label="Result {hit.rank} is relevant" title="Relevant">✓</button>'
        f'<button type="button" data-act="no" {where} aria-pressed="{_truth(mark is False)}"'
        f' aria-label="Result {hit.rank} is not relevant" title="Not relevant">✗</button></div>'
    )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def marked(mark: bool | None) -> str:
    """The mark of a result in words, where it has one."""
    words = {None: "", True: "✓ marked as relevant", False: "✗ marked as not relevant"}[mark]
    return f'<p class="px-mark">{words}</p>' if words else ""


def results(session: SearchSession, answer: Answer, buttons: bool = True) -> str:
    """Everything that an answer shows: what was asked, messages, and the grid of results."""
    head = f"{TITLES[answer.kind]} <q>{escape(answer.query)}</q>"
    if answer.kind == "image" or not answer.query:
        head = "Images like the uploaded one" if answer.kind == "image" else "No query"
    note = (
        f'<p class="px-note" role="status">{escape(answer.message)}</p>' if answer.message else ""
    )
    cards = "".join(card(session, answer, hit, buttons) for hit in answer.hits)
    grid = f'<div class="px-grid">{cards}</div>' if cards else ""
    return f'<section class="px" aria-live="polite"><h2>{head}</h2>{note}{grid}</section>'


def welcome(gallery: Gallery, count: int = 8) -> str:
    """Images spread over the index, shown before the first query."""
    total = len(gallery.index)
    step = max(1, total // count)
    shown = []
    for row in range(0, total, step)[:count]:
        image_id, record = gallery.index.ids[row], gallery.index.records[row]
        caption = gallery.captioner.canonical(record)
        ask = f'<button type="button" data-act="similar" data-id="{escape(image_id)}">'
        shown.append(
            f'<article class="px-card" data-image="{escape(image_id)}">'
            f"<figure>{picture(gallery, image_id, caption)}</figure><div class='px-body'>"
            f'<p class="px-caption">{escape(caption)}</p>'
            f'<div class="px-actions">{ask}More like this</button></div></div></article>'
        )
    grid = f'<div class="px-grid">{"".join(shown)}</div>' if shown else ""
    head = f"A few of the {total} images" if shown else "The index holds no image"
    return f'<section class="px" aria-live="polite"><h2>{head}</h2>{grid}</section>'


def metrics(found: LiveMetrics) -> str:
    """The live metrics as a table."""
    heads = "".join(f'<th scope="col">hit@{k}</th>' for k in KS)
    rows = _row("by your marks", found.marks) + _row("by the records", found.records)
    return (
        '<section class="px"><h3>Live metrics</h3><div class="px-wide"><table><thead><tr>'
        f'<th scope="col"></th><th scope="col">queries</th>{heads}<th scope="col">MRR</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></section>"
    )


def _row(name: str, scores: Scores) -> str:
    values = [*(scores.hit[k] for k in KS), scores.mrr]
    cells = "".join(f"<td>{'–' if math.isnan(v) else f'{v:.2f}'}</td>" for v in values)
    return f'<tr><th scope="row">{name}</th><td>{scores.queries}</td>{cells}</tr>'


def history(session: SearchSession, count: int = 12) -> str:
    """The last queries, the newest first; a text can be asked again."""
    shown = "".join(_past(answer) for answer in reversed(session.history[-count:]))
    body = f"<ol class='px-history'>{shown}</ol>" if shown else "<p>No query yet.</p>"
    return f'<section class="px"><h3>History</h3>{body}</section>'


def _past(answer: Answer) -> str:
    rank = f", first right result at rank {answer.first}" if answer.first else ""
    facts = f"{len(answer.hits)} results{rank}"
    words = answer.query or "(empty)"
    if answer.kind == "text" and answer.query:
        text = escape(answer.query)
        what = f'<button type="button" data-act="ask" data-text="{text}">{text}</button>'
    else:
        before = "like " if answer.kind == "similar" else ""
        what = f"<span>{before}{escape(words)}</span>"
    return f'<li value="{answer.number}">{what} <small>{facts}</small></li>'


def examples(gallery: Gallery) -> str:
    """Queries to begin with, as buttons."""
    texts = map(escape, gallery.examples())
    shown = "".join(
        f'<li><button type="button" data-act="ask" data-text="{text}">{text}</button></li>'
        for text in texts
    )
    return f'<section class="px"><h3>Examples</h3><ul class="px-history">{shown}</ul></section>'


def about(gallery: Gallery) -> str:
    """Data and model, and the notice."""
    facts = {
        **gallery.about,
        "images": str(len(gallery.index)),
        "embedding": f"{gallery.index.embeddings.shape[1]} numbers for each image",
        "model fingerprint": gallery.index.fingerprint[:12],
    }
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items()
    )
    return f'<section class="px"><h3>Data and model</h3><dl class="px-facts">{rows}</dl></section>'


def notice() -> str:
    """The notice that the app is for research."""
    return f'<p class="px-notice" role="note">{NOTICE}</p>'


def document(session: SearchSession, answer: Answer) -> str:
    """A whole page with one answer, its marks and the live metrics, to keep or send."""
    title = escape(session.gallery.title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}: {escape(answer.query)}</title><style>{template('page.css')}"
        f"{template('results.css')}</style></head><body><main><h1>{title}</h1>{notice()}"
        f"{results(session, answer, buttons=False)}{metrics(session.live_metrics())}"
        f"{about(session.gallery)}</main></body></html>"
    )
