"""A local web page to look at a dataset and to ask models: `wikidata5m explore DATASET`.

    serve.py          MAIN PATH: open the library, load the models, bind, serve
    app.py            the pages: a request to a library's and a model's answer to HTML
    guard.py          what every request must pass, and the headers of every response
    prompt.py         how long a client may take its time
    library.py        what the pages know of a dataset
    index.py          the index on disk behind it: facts by entity, entities by id
    neighbourhood.py  the small graph around an entity, laid out
    answerers.py      what a page asks of a model; upper packages bring them by entry point
    templates/, static/

Imports wikidata5m, starlette, uvicorn and jinja2; no torch.
"""
