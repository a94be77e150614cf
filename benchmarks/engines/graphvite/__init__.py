"""GraphVite 0.2 as an engine: our configuration and dataset in, our embeddings artefact out.

What is GraphVite's own way of putting things (its YAML, its pickle, the layout and scale of its
vectors) stays in this package:

    main.py      MAIN PATH: render -> train -> convert, each step skipped when it is done
    render.py    its input folder and its YAML
    process.py   is it installed, and its run as a process
    unpickle.py  its pickle, read without running any code of it
    convert.py   its names and vectors as ours
"""
