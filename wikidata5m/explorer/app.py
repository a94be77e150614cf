"""The pages: a request to what the library and the models say, to HTML.

    GET /          what the dataset is, and a search     GET /ask   what a model answers
    GET /search    entities by name                      GET /new   a form for a new entity's text,
    GET /suggest   the same while one types, as JSON     POST /new  and what a model answers
    GET /entity    one entity                            /static    style, script, icon

Imports starlette, jinja2, errors and explorer's modules. Ids stand in the query, never in the path,
since an id may hold anything. Every page works without JavaScript.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from wikidata5m.errors import Wikidata5MError
from wikidata5m.explorer.answerers import Answerer, Role, TextAnswerer
from wikidata5m.explorer.guard import Guard, Policy
from wikidata5m.explorer.library import (
    LONGEST_QUERY,
    LONGEST_TEXT,
    Library,
    Named,
    NotFoundError,
)
from wikidata5m.explorer.neighbourhood import draw

HERE: Final = Path(__file__).parent
SUGGESTIONS: Final = 8
RESULTS: Final = 30
TOPS: Final = (10, 20, 50, 100)
PATIENCE: Final = 30.0
"""Seconds that a question waits for others to be answered."""
WAITING: Final = 8
"""Questions that may wait."""

Arguments = Mapping[str, str]


class Explorer:
    """The pages over one library and some models."""

    def __init__(self, library: Library, models: Mapping[str, Answerer]) -> None:
        self.library = library
        self.models = models
        self.readers = [name for name, m in models.items() if isinstance(m, TextAnswerer)]
        self._asking = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            library=library,
            models=list(self.models),
            readers=self.readers,
            version=version("wikidata5m"),
            url=url,
            tops=TOPS,
            longest_query=LONGEST_QUERY,
            longest_text=LONGEST_TEXT,
        )

    def page(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A template filled in."""
        return HTMLResponse(self._templates.get_template(template).render(values), status)

    def home(self, _request: Request) -> Response:
        """What the dataset is."""
        manifest = self.library.dataset.manifest
        # Names alone: where files lay on the machine that made it is nobody's business.
        sources = [
            (s.get("role", "source"), Path(s.get("path", "")).name) for s in manifest.sources
        ]
        return self.page("home.html", manifest=manifest, sources=sources)

    def search(self, request: Request) -> Response:
        """Entities by name."""
        query = _query(request)
        return self.page("search.html", query=query, hits=self.library.search(query, RESULTS))

    def suggest(self, request: Request) -> Response:
        """The best hits as JSON: id, label, what tells it from others."""
        hits = self.library.search(_query(request), SUGGESTIONS)
        return JSONResponse(
            [
                {
                    "id": hit.id,
                    "label": hit.label,
                    "also": hit.also,
                    "types": ", ".join(hit.types),
                    "url": url("/entity", id=hit.id),
                }
                for hit in hits
            ]
        )

    def entity(self, request: Request) -> Response:
        """One entity: names, text, facts out and in, neighbourhood."""
        arguments = request.query_params
        named = self.library.find(arguments.get("id", ""))
        chosen = arguments.get("relation", "")
        relation = self.library.relation(chosen) if chosen else None
        return self.page(
            "entity.html",
            entity=self.library.entity(named),
            outgoing=self.library.facts(named, "out", _page(arguments, "out"), relation),
            incoming=self.library.facts(named, "in", _page(arguments, "in"), relation),
            relations={way: self.library.relations_of(named, way) for way in ("out", "in")},
            drawing=draw(self.library, named),
            chosen=relation,
        )

    def ask(self, request: Request) -> Response:
        """What a model answers to a question; without one, the form for it."""
        arguments = request.query_params
        form = _Form(arguments, list(self.models))
        values: dict[str, Any] = {"form": form, "given": None, "answers": None, "choices": []}
        values["pending"] = pending = self._pending()
        # As it is: an id may be long, or begin with a space.
        wanted = arguments.get("entity", "")
        if wanted and form.relation and form.model:
            relation = self.library.relation(form.relation)
            given, values["choices"] = self._one_entity(wanted)
            if given is not None and form.model not in pending:
                with self._model(form.model) as model:
                    values["answers"] = self.library.ask(
                        model, given, relation, form.role, top=form.top, hide_known=form.hide
                    )
            values |= {"given": given, "relation": relation}
        return self.page("ask.html", entity=wanted, **values)

    async def new(self, request: Request) -> Response:
        """What a model answers for an entity by its text alone; for GET the form."""
        arguments: Arguments = request.query_params
        if request.method == "POST":
            arguments = _fields(await request.body())
        return await run_in_threadpool(self._new, arguments)

    def _new(self, arguments: Arguments) -> Response:
        form = _Form(arguments, self.readers)
        # Forms end lines by two characters, which a browser counts as one when it limits a text.
        text = arguments.get("text", "").replace("\r\n", "\n").strip()
        if len(text) > LONGEST_TEXT:
            raise HTTPException(400, f"The text has more than {LONGEST_TEXT:,} characters.")
        values: dict[str, Any] = {"form": form, "text": text, "answers": None}
        values["pending"] = pending = self._pending()
        if text and form.relation and form.model and form.model not in pending:
            relation = self.library.relation(form.relation)
            with self._model(form.model) as model:
                assert isinstance(model, TextAnswerer)
                values["answers"] = self.library.ask_text(
                    model, text, relation, form.role, top=form.top
                )
            values["relation"] = relation
        return self.page("new.html", **values)

    def _pending(self) -> dict[str, str]:
        """The models that cannot answer yet, and what they still do."""
        told = {name: model.pending() for name, model in self.models.items()}
        return {name: each for name, each in told.items() if each}

    def _one_entity(self, wanted: str) -> tuple[Named | None, list[Any]]:
        """The entity of an id, or of a name that it alone has; else those that may be meant."""
        try:
            return self.library.find(wanted), []
        except NotFoundError:
            hits = self.library.search(wanted, 10)
        exact = [hit for hit in hits if hit.exact]
        return (exact[0], []) if len(exact) == 1 else (None, hits)

    @contextmanager
    def _model(self, name: str) -> Iterator[Answerer]:
        """A model, for one question at a time.

        Raises HTTPException 503 when too many wait, 422 for what the model cannot answer.
        """
        busy = HTTPException(
            503, "The models are busy. Try again in a moment.", {"Retry-After": "5"}
        )
        if not self._waiting.acquire(blocking=False):
            raise busy
        try:
            if not self._asking.acquire(timeout=PATIENCE):
                raise busy
            try:
                yield self.models[name]
            except Wikidata5MError as error:
                raise HTTPException(422, str(error)) from error
            finally:
                self._asking.release()
        finally:
            self._waiting.release()

    def failure(self, _request: Request, error: Exception) -> Response:
        """A page that says what is wrong; of a fault of ours it says no more than that."""
        status, message, headers = 500, "Something went wrong here. The log says more.", None
        if isinstance(error, HTTPException):
            status, message, headers = error.status_code, error.detail, error.headers
        elif isinstance(error, NotFoundError):
            status, message = 404, str(error)
        response = self.page("failure.html", status, code=status, message=message)
        response.headers.update(headers or {})
        return response


def make_app(library: Library, models: Mapping[str, Answerer], policy: Policy) -> ASGIApp:
    """The whole application behind its guard."""
    explorer = Explorer(library, models)
    failing: list[type[Exception]] = [HTTPException, NotFoundError, Exception]
    app = Starlette(
        routes=[
            Route("/", explorer.home),
            Route("/search", explorer.search),
            Route("/suggest", explorer.suggest),
            Route("/entity", explorer.entity),
            Route("/ask", explorer.ask),
            Route("/new", explorer.new, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        exception_handlers=dict.fromkeys(failing, explorer.failure),
    )
    return Guard(app, policy)


def url(path: str, **arguments: object) -> str:
    """An address with its arguments escaped; those that are None or empty are left out."""
    told = {name: value for name, value in arguments.items() if value not in (None, "")}
    return f"{path}?{urlencode(told)}" if told else path


class _Form:
    """What the two forms share, each of known values alone. Raises HTTPException 400 otherwise."""

    def __init__(self, arguments: Arguments, models: Sequence[str]) -> None:
        self.relation = arguments.get("relation", "")
        self.hide = arguments.get("known") == "hide"
        self.model = _one_of(arguments, "model", models)
        self.role: Role = (
            "tail" if _one_of(arguments, "role", ("head", "tail")) == "tail" else "head"
        )
        self.top = int(_one_of(arguments, "top", [str(top) for top in TOPS]))


def _one_of(arguments: Arguments, name: str, known: Sequence[str]) -> str:
    value = arguments.get(name) or (known[0] if known else "")
    if value not in known and known:
        raise HTTPException(400, f"There is no such {name} here; choose one of the form's.")
    return value


def _query(request: Request) -> str:
    query = request.query_params.get("q", "").strip()
    if len(query) > LONGEST_QUERY:
        raise HTTPException(400, f"A name to search for has at most {LONGEST_QUERY} characters.")
    return query


def _page(arguments: Arguments, name: str) -> int:
    value = arguments.get(name, "1")
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and int(value)):
        raise HTTPException(400, "A page is a number from 1.")
    return int(value)


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form as browsers send it by default."""
    try:
        pairs = parse_qs(body.decode("utf-8"), max_num_fields=20)
    except ValueError:
        raise HTTPException(400, "That is no form of ours.") from None
    return {name: values[0] for name, values in pairs.items()}
