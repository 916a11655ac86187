"""A search session without a display: queries, results, marks, live metrics, history, export.

What a user does is a method; what can go wrong with a query is a `state` of its answer with a
message, and what can go wrong in a program that calls the session is an error.
"""

import csv
import json
import os
import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pixcl_bench.app.gallery import Gallery, PictureError, folded
from pixcl_bench.data.sets.pairs import Record
from pixcl_bench.methods.claires.index import Filters, Hit, first_rank
from pixcl_bench.metrics.retrieval import hit_at, mrr

State = Literal["found", "empty", "unknown", "nothing", "bad_image"]
Kind = Literal["text", "similar", "image"]

MOST = 100
"""A search returns at most this many results."""

LONGEST = 2000
"""Characters of a query that are read."""

REMEMBERED = 500
"""A session keeps this many queries; the oldest are forgotten with their marks."""

KS = (1, 3, 5, 10)
_FAR = 1 << 40


class SessionError(ValueError):
    """A call that a session cannot follow: an unknown image, query, format or number."""


@dataclass(frozen=True)
class Answer:
    """What a query gave. `number`: of the query in its session, from 1.

    `state`: "found", or why there are no results, which `message` says in a sentence; with results
    it says what a user should know about them. `relevance`: which images count as right for the
    live metrics, "" where that is not known; `first`: rank of the first of them, 0 where there is
    none.
    """

    number: int
    kind: Kind
    query: str
    state: State
    message: str = ""
    hits: tuple[Hit, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    relevance: str = ""
    first: int = 0


@dataclass(frozen=True)
class Scores:
    """hit@K for each K and MRR over a number of queries; NaN without any."""

    queries: int
    hit: Mapping[int, float]
    mrr: float


@dataclass(frozen=True)
class LiveMetrics:
    """Metrics by the marks of the user, and by the records of the images."""

    marks: Scores
    records: Scores


@dataclass(frozen=True)
class Term:
    """One field of a result, its value in words, and whether the query names it."""

    name: str
    value: str
    named: bool


class SearchSession:
    """One user's search in a gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self._answers: OrderedDict[int, Answer] = OrderedDict()
        self._marks: dict[int, dict[str, bool]] = {}
        self._count = 0

    def search(self, text: str, k: int = 9, filters: Filters | None = None) -> Answer:
        """The `k` images that fit a text best, among those that pass the filters.

        Raises SessionError for a `k` outside of 1 to 100 and for an unknown field of a filter.
        """
        text = " ".join(text[:LONGEST].split())
        unknown, words = self.gallery.unknown_words(text)
        if not words:
            why = "Type some words that describe an image."
            return self._keep("text", text, "empty", why, filters)
        if len(unknown) == len(words):
            why = "The model knows none of these words: " + ", ".join(unknown) + "."
            return self._keep("text", text, "unknown", why, filters)
        note = f"The model does not know: {', '.join(unknown)}." if unknown else ""
        query = self.gallery.embed_text(text)
        relevant, how = self._relevant(text)
        return self._found("text", text, query, k, filters, note, relevant, how)

    def similar(self, image_id: str, k: int = 9, filters: Filters | None = None) -> Answer:
        """The `k` images most similar to one of the index, without itself.

        Raises SessionError for an unknown id, and as `search` does.
        """
        row = self._row(image_id)
        others = torch.arange(len(self.gallery.index)) != row
        query = self.gallery.index.embeddings[row].float()
        key = self.gallery.key_of(self.gallery.index.records[row])
        relevant = self.gallery.with_key(key) & others
        how = "the same caption as the chosen image"
        return self._found("similar", image_id, query, k, filters, "", relevant, how, others)

    def search_by_image(self, data: bytes, k: int = 9, filters: Filters | None = None) -> Answer:
        """The `k` images most similar to the bytes of an image file; raises as `search` does."""
        try:
            query = self.gallery.embed_image(data)
        except PictureError as error:
            return self._keep("image", "uploaded image", "bad_image", str(error), filters)
        none = torch.zeros(len(self.gallery.index), dtype=torch.bool)
        return self._found("image", "uploaded image", query, k, filters, "", none, "")

    def mark(self, image_id: str, relevant: bool | None, number: int | None = None) -> None:
        """Mark a result of a query (by default the last one) as relevant or not; None unmarks it.

        Raises SessionError for a query that is not in the history and an image it did not return.
        """
        at = self._count if number is None else number
        if at not in self._answers:
            raise SessionError(f"query {at} is not in the history of this session")
        if image_id not in {hit.id for hit in self._answers[at].hits}:
            raise SessionError(f"image {image_id!r} is not a result of query {at}")
        marks = self._marks.setdefault(at, {})
        if relevant is None:
            marks.pop(image_id, None)
        else:
            marks[image_id] = relevant

    def marks(self, number: int) -> Mapping[str, bool]:
        """The marks of a query: image id, and whether it is relevant."""
        return dict(self._marks.get(number, {}))

    @property
    def history(self) -> tuple[Answer, ...]:
        """The answers so far, the oldest first; at most `REMEMBERED`."""
        return tuple(self._answers.values())

    def live_metrics(self) -> LiveMetrics:
        """hit@K and MRR of the queries so far.

        By marks: of every query with a mark, the first result that is marked as relevant counts.
        By records: of every query whose relevant images are known, see `Answer`; the rank is that
        in the whole index, or among the images that pass the filters.
        """
        marked = [self._first_marked(n) for n, marks in self._marks.items() if marks]
        known = [answer.first for answer in self.history if answer.relevance and answer.first]
        return LiveMetrics(_scores(marked), _scores(known))

    def explain(self, query: str, record: Record) -> tuple[Term, ...]:
        """The fields of a record in words, and which of them the query names."""
        values, names = self.gallery.shown(record), self.gallery.names
        return tuple(
            Term(name, value, names(query, name, record[name])) for name, value in values.items()
        )

    def export_text(self, kind: str) -> str:
        """All results with their marks as a text: kind "csv" or "json". Raises SessionError."""
        if kind == "csv":
            return _csv(self._rows())
        if kind == "json":
            return json.dumps(self._facts(), indent=1, ensure_ascii=False, allow_nan=False)
        raise SessionError(f"unknown format {kind!r}: use csv or json")

    def export(self, path: Path | str) -> Path:
        """Write all results with their marks to a file .csv or .json, atomically.

        Raises SessionError for another suffix.
        """
        path = Path(path)
        text = self.export_text(path.suffix.removeprefix("."))
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8", newline="")
        os.replace(part, path)
        return path

    def _row(self, image_id: str) -> int:
        try:
            return self.gallery.row(image_id)
        except KeyError:
            raise SessionError(f"the index has no image {image_id!r}") from None

    def _found(
        self,
        kind: Kind,
        asked: str,
        query: Tensor,
        k: int,
        filters: Filters | None,
        note: str,
        relevant: Tensor,
        how: str,
        among: Tensor | None = None,
    ) -> Answer:
        if not 1 <= k <= MOST:
            raise SessionError(f"the number of results is 1 to {MOST}, got {k}")
        index = self.gallery.index
        allowed = self._allowed(filters)
        allowed = allowed if among is None else allowed & among
        if not allowed.any():
            why = "No image passes these filters: remove one of them."
            return self._keep(kind, asked, "nothing", why, filters)
        hits = index.search(query, k, allowed=allowed)[0]
        right = relevant & allowed
        rows = index.embeddings if allowed.all() else index.embeddings[allowed]
        first = first_rank(query, rows, right[allowed])
        return self._keep(kind, asked, "found", note, filters, hits, how if first else "", first)

    def _allowed(self, filters: Filters | None) -> Tensor:
        try:
            return self.gallery.index.rows_where(filters or {})
        except ValueError as error:
            raise SessionError(str(error)) from error

    def _keep(
        self,
        kind: Kind,
        query: str,
        state: State,
        message: str,
        filters: Filters | None,
        hits: Collection[Hit] = (),
        relevance: str = "",
        first: int = 0,
    ) -> Answer:
        self._count += 1
        shown = {name: _plain(wanted) for name, wanted in (filters or {}).items()}
        answer = Answer(
            self._count, kind, query, state, message, tuple(hits), shown, relevance, first
        )
        self._answers[self._count] = answer
        while len(self._answers) > REMEMBERED:
            oldest, _ = self._answers.popitem(last=False)
            self._marks.pop(oldest, None)
        return answer

    def _relevant(self, text: str) -> tuple[Tensor, str]:
        """The images that are right for a text: those with this caption, else those that agree in
        all fields that the text names."""
        same = self.gallery.with_key(folded(text))
        if same.any():
            return same, "the same caption"
        named = self.gallery.named_fields(text)
        if not named:
            return same, ""
        agree = torch.stack(list(named.values())).all(0)
        return agree, "the same " + ", ".join(name.replace("_", " ") for name in named)

    def _first_marked(self, number: int) -> int:
        """The rank of the first result marked as relevant; 0 where none is."""
        marks = self._marks[number]
        hits = self._answers[number].hits
        return next((hit.rank for hit in hits if marks.get(hit.id)), 0)

    def _rows(self) -> list[dict[str, str]]:
        rows = []
        for answer in self.history:
            marks = self._marks.get(answer.number, {})
            for hit in answer.hits:
                mark = {None: "", True: "relevant", False: "not relevant"}[marks.get(hit.id)]
                rows.append(
                    {
                        "query_number": str(answer.number),
                        "kind": answer.kind,
                        "query": answer.query,
                        "filters": json.dumps(answer.filters) if answer.filters else "",
                        "rank": str(hit.rank),
                        "image_id": hit.id,
                        "score": f"{hit.score:.6f}",
                        "mark": mark,
                        **self.gallery.shown(hit.record),
                    }
                )
        return rows

    def _facts(self) -> dict[str, Any]:
        queries = [
            {
                "number": answer.number,
                "kind": answer.kind,
                "query": answer.query,
                "state": answer.state,
                "filters": dict(answer.filters),
                "relevance": answer.relevance,
                "first_rank": answer.first or None,
                "results": [
                    {
                        "rank": hit.rank,
                        "image_id": hit.id,
                        "score": round(hit.score, 6),
                        "relevant": self._marks.get(answer.number, {}).get(hit.id),
                        "record": self.gallery.shown(hit.record),
                    }
                    for hit in answer.hits
                ],
            }
            for answer in self.history
        ]
        return {
            "title": self.gallery.title,
            "model": self.gallery.index.fingerprint,
            "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "metrics": _without_nan(asdict(self.live_metrics())),
            "queries": queries,
        }


def _scores(first: list[int]) -> Scores:
    """The metrics of first ranks; 0 is a query none of whose shown results is relevant."""
    if not first:
        return Scores(0, dict.fromkeys(KS, float("nan")), float("nan"))
    ranks = torch.tensor([[rank or _FAR] for rank in first])
    hits = {k: float(hit_at(ranks, k).mean()) for k in KS}
    return Scores(len(first), hits, float(mrr(ranks, cutoff=_FAR - 1).mean()))


def _plain(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, tuple) else sorted(wanted)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and value != value else value


def _csv(rows: list[dict[str, str]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = StringIO()
    writer = csv.DictWriter(out, names or ["query_number"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(text) for name, text in row.items()} for row in rows)
    return out.getvalue()


def _no_formula(text: str) -> str:
    """A text that a spreadsheet would run as a formula, with an apostrophe in front of it."""
    return f"'{text}" if re.match(r"[=+\-@\t\r]", text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
