"""Fences the `>>>` examples of docstrings, which Markdown would take for quotations.

Imports griffe, which reads the docstrings for the pages of the Python reference.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

# From a line that begins an example to the end of its paragraph.
EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


class Examples(griffe.Extension):
    """Puts each example into a block of its own."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class and function that is read."""
        if obj.docstring:
            value = re.sub(r" *# doctest: .*", "", obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", value)
