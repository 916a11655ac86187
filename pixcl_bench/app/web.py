"""The page in the browser. It needs the extra `app` (gradio) and listens on this machine alone.

The page only shows: all logic is in `SearchSession`, all HTML of results in `page`.
"""

import json
import os
import tempfile
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

# Before gradio is imported: it reads them then. No reports, no look for new versions, and uploaded
# files in a folder that goes away with the process.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
_UPLOADS = tempfile.TemporaryDirectory(prefix="pixcl-bench-app-")
os.environ["GRADIO_TEMP_DIR"] = _UPLOADS.name

import gradio as gr  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from pixcl_bench.app import page  # noqa: E402
from pixcl_bench.app.gallery import MAX_BYTES, Choice, Gallery  # noqa: E402
from pixcl_bench.app.guard import HOSTS, Guard  # noqa: E402
from pixcl_bench.app.session import LONGEST, Answer, SearchSession, SessionError  # noqa: E402

RESULTS = 9
IDLE = 3600
"""A session without a query for this many seconds is forgotten."""

_DOWNLOAD = """(text) => {
  if (!text) return;
  const file = JSON.parse(text);
  const bytes = Uint8Array.from(atob(file.data), (c) => c.charCodeAt(0));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes], {type: file.kind}));
  link.download = file.name;
  document.body.appendChild(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""

_KINDS = {"csv": "text/csv", "json": "application/json", "html": "text/html"}


class Handlers:
    """What the page does on an event: each takes the session, and returns what is shown anew."""

    def __init__(self, gallery: Gallery, choices: Sequence[Choice]) -> None:
        self.gallery, self.choices = gallery, choices

    def session(self, session: SearchSession | None) -> SearchSession:
        """The session of this browser tab; a new one at its first event."""
        return SearchSession(self.gallery) if session is None else session

    def filters(self, values: Sequence[Any]) -> dict[str, Any]:
        """The filters that the inputs say: two inputs for a range, one for values."""
        found: dict[str, Any] = {}
        rest = iter(values)
        for choice in self.choices:
            first = next(rest)
            if choice.values:
                found |= {choice.name: set(first)} if first else {}
            else:
                found |= _range(choice, first, next(rest))
        return found

    def ask(self, session: SearchSession | None, text: str, k: float, *values: Any) -> list[Any]:
        """Search for a text."""
        session = self.session(session)
        return self.shown(session, session.search(text or "", int(k), self.filters(values)))

    def upload(
        self, session: SearchSession | None, data: bytes | None, k: float, *values: Any
    ) -> list[Any]:
        """Search by an uploaded image."""
        session = self.session(session)
        if data is None:
            raise gr.Error("Choose an image file first.", print_exception=False)
        answer = session.search_by_image(bytes(data), int(k), self.filters(values))
        return self.shown(session, answer)

    def pressed(
        self, session: SearchSession | None, event: gr.EventData, text: str, k: float, *values: Any
    ) -> list[Any]:
        """A button in the results, examples or history: ask, more like this, or a mark."""
        session, act = self.session(session), str(event.act)
        try:
            if act == "ask":
                asked = str(event.text)
                return [*self.ask(session, asked, k, *values), asked]
            if act == "similar":
                answer = session.similar(str(event.id), int(k), self.filters(values))
                return [*self.shown(session, answer), gr.skip()]
            mark = {"yes": True, "no": False}.get(act)
            session.mark(str(event.id), mark, int(event.query))
        except SessionError as error:
            raise gr.Error(str(error), print_exception=False) from error
        # The buttons show the mark already: the pictures are not sent again.
        return [session, gr.skip(), page.metrics(session.live_metrics()), gr.skip(), gr.skip()]

    def shown(self, session: SearchSession, answer: Answer) -> list[Any]:
        """Session, results, metrics and history after a query."""
        return [
            session,
            page.results(session, answer),
            page.metrics(session.live_metrics()),
            page.history(session),
        ]

    def export(self, session: SearchSession | None, kind: str) -> str:
        """A file for the browser to save, as JSON with its name, kind and bytes."""
        session = self.session(session)
        if kind != "html":
            text = session.export_text(kind)
        elif session.history:
            text = page.document(session, session.history[-1])
        else:
            raise gr.Error("Search first: there are no results to save.", print_exception=False)
        data = b64encode(text.encode()).decode()
        return json.dumps({"name": f"search-results.{kind}", "kind": _KINDS[kind], "data": data})


def _range(choice: Choice, low: float | None, high: float | None) -> dict[str, Any]:
    if (low is None or low <= choice.low) and (high is None or high >= choice.high):
        return {}
    least = choice.low if low is None else float(low)
    most = choice.high if high is None else float(high)
    return {choice.name: (least, most)}


def build(gallery: Gallery) -> gr.Blocks:
    """The page for a gallery, not yet served."""
    choices = gallery.choices()
    act = Handlers(gallery, choices)
    js = page.template("app.js")
    with gr.Blocks(
        title=gallery.title, analytics_enabled=False, delete_cache=(IDLE, IDLE), fill_width=True
    ) as blocks:
        session = gr.State(None, time_to_live=IDLE)
        gr.HTML(f"<h1>{page.escape(gallery.title)}</h1>", elem_id="px-title", padding=False)
        gr.HTML(page.notice(), padding=False)
        with gr.Row():
            with gr.Column(scale=1, min_width=290):
                text = gr.Textbox(
                    label="Describe an image",
                    placeholder="for example: " + (gallery.examples(1) or ["a few words"])[0],
                    lines=2,
                    max_lines=4,
                    max_length=LONGEST,
                    elem_id="px-query",
                )
                go = gr.Button("Search", variant="primary", elem_id="px-search")
                k = gr.Slider(1, 20, RESULTS, step=1, label="Results", elem_id="px-k")
                limits = _filters(choices)
                examples = gr.HTML(page.examples(gallery), js_on_load=js, padding=False)
                with gr.Accordion("Search by an image", open=False, elem_id="px-by-image"):
                    file = gr.File(
                        label="Image file (png, jpg); it stays on this machine",
                        type="binary",
                        file_types=["image"],
                        height=120,
                        elem_id="px-file",
                    )
                    # Its example would be a file on the internet.
                    file.example_payload = file.example_value = lambda: None
                    by_image = gr.Button("Search by this image", elem_id="px-image-search")
            with gr.Column(scale=3, min_width=300):
                start = page.welcome(gallery)
                results = gr.HTML(start, js_on_load=js, padding=False, elem_id="px-results")
                metrics = gr.HTML(
                    page.metrics(SearchSession(gallery).live_metrics()),
                    padding=False,
                    elem_id="px-metrics",
                )
                with gr.Row(elem_id="px-save"):
                    saves = {
                        kind: gr.Button(f"Save {name}", size="sm", min_width=90)
                        for kind, name in (("csv", "CSV"), ("json", "JSON"), ("html", "page"))
                    }
                history = gr.HTML(
                    page.history(SearchSession(gallery)), js_on_load=js, padding=False
                )
                gr.HTML(page.about(gallery), padding=False)
        saved = gr.Textbox(visible=False)
        inputs, outputs = [k, *limits], [session, results, metrics, history]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        gr.on([go.click, text.submit], act.ask, [session, text, *inputs], outputs, **quiet)
        by_image.click(act.upload, [session, file, *inputs], outputs, **quiet)
        for part in (results, examples, history):
            part.click(act.pressed, [session, text, *inputs], [*outputs, text], **quiet)
        for kind, button in saves.items():
            button.click(_export_of(act, kind), [session], [saved], **quiet).then(
                None, [saved], None, js=_DOWNLOAD
            )
    return blocks


def _export_of(act: Handlers, kind: str) -> Callable[[SearchSession | None], str]:
    def export(session: SearchSession | None) -> str:
        return act.export(session, kind)

    return export


def _filters(choices: Sequence[Choice]) -> list[Any]:
    """The inputs of the filters, in the order that `Handlers.filters` takes."""
    inputs: list[Any] = []
    if not choices:
        return inputs
    with gr.Accordion("Filters", open=False, elem_id="px-filters"):
        for choice in choices:
            name = page.label(choice.name)
            if choice.values:
                inputs.append(
                    gr.Dropdown(list(choice.values), label=name, multiselect=True, value=[])
                )
                continue
            with gr.Row():
                for word, value in (("from", choice.low), ("to", choice.high)):
                    inputs.append(gr.Number(value, label=f"{name} {word}", min_width=100))
    return inputs


def serve(
    gallery: Gallery, port: int | None = None, browser: bool = True, wait: bool = True
) -> Any:
    """Serve the page on this machine; returns the gradio app, whose `local_url` is the address.

    `port`: None for a free one from 7860 on. `wait`: until Ctrl-C. Raises OSError where the port
    is taken.
    """
    blocks = build(gallery)
    fonts = ["system-ui", "sans-serif"]
    theme = gr.themes.Default(
        primary_hue="blue", font=fonts, font_mono=["ui-monospace", "monospace"]
    )
    blocks.queue(api_open=False, max_size=64).launch(
        server_name=HOSTS[0],
        server_port=port,
        inbrowser=browser,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        max_file_size=MAX_BYTES,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        theme=theme,
        css=page.template("app.css") + page.template("results.css"),
        app_kwargs={"middleware": [Middleware(Guard)]},
    )
    if wait:
        print(f"{gallery.title}: {blocks.local_url} (Ctrl-C ends it)")
        blocks.block_thread()
    return blocks
