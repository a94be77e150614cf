"""What a dataset folder holds: file names, columns, Arrow schemas, closed vocabularies.

Where columns are declared. Imports pyarrow alone.

    DATASET/
      manifest.json           where it came from, counts, drops by reason, hashes of every file
      entities.parquet        one row per entity; the row number is the entity's index
      descriptions/*.parquet  entity index -> text
      relations.parquet       one row per relation; the row number is the relation's index
      classes.parquet         labels of the classes that `types` names
      triplets.parquet        head, relation, tail as indices, sorted and unique
      SETTING/{train,valid,test}.parquet
                              one folder per split; beside them support.parquet where there is one
      classification/{valid,test}.parquet
                              true triplets and hard negatives of them
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import pyarrow as pa

Setting = Literal["transductive", "inductive", "semi_inductive", "temporal"]
Part = Literal["train", "valid", "test"]
Support = Literal["support"]
"""Triplets about entities that train lacks: read when ranking, never trained on."""
SETTINGS: Final[tuple[Setting, ...]] = get_args(Setting)
PARTS: Final[tuple[Part, ...]] = get_args(Part)
SUPPORT: Final[Support] = "support"

Ranks = Literal["all", "best", "not-deprecated"]
"""Which statements of an item count, by their rank."""

ItemDrop = Literal["no_page", "page_missing", "short_lead", "duplicate_item"]
StatementDrop = Literal[
    "deprecated",
    "not_best",
    "no_value",
    "some_value",
    "not_an_item",
    "head_not_kept",
    "tail_not_kept",
    "relation_without_page",
    "duplicate_statement",
    "excluded",
]

DROP_MEANING: Final[dict[str, str]] = {
    "no_page": "line of an item without a page in this Wikipedia",
    "page_missing": "item whose page is not in the Wikipedia dump",
    "short_lead": "item whose page's first section has too few words",
    "duplicate_item": "older revision of an item that occurs again",
    "other_entity": "lexeme, entity schema or other record that is neither item nor property",
    "corrupt_record": "record that cannot be read, within --max-errors",
    "deprecated": "statement of deprecated rank",
    "not_best": "statement of normal rank beside a preferred one (--ranks best)",
    "no_value": "statement that says there is no value",
    "some_value": "statement that says the value is unknown",
    "not_an_item": "statement whose value is not an item (a string, a date, a property, ...)",
    "head_not_kept": "statement about an item that was not kept",
    "tail_not_kept": "statement whose value is an item that was not kept",
    "relation_without_page": "statement of a property with an empty page, or none",
    "duplicate_statement": "statement that repeats a triplet",
    "inverse_statement": "statement that another one makes by the inverse relation",
    "excluded": "triplet of the file given by --exclude-triplets",
    "other_namespace": "page outside the article namespace",
    "page_too_large": "page, or first section, that exceeds the length cap",
    "page_too_complex": "page whose markup asks for more work than the limit allows",
    "page_too_slow": "page that the guard of time stopped",
    "page_out_of_memory": "page that the guard of memory stopped",
    "page_deleted": "page whose text was removed from public view",
    "page_failed": "page that brought out a defect in the reading of its text",
    "redirect_page": "page that only points to another",
    "disambiguation_page": "page that lists the meanings of a name",
    "short_text": "page or text file with too few words",
    "duplicate_page": "repeated page or redirect of the same title",
    "duplicate_property": "repeated property",
    "inductive_border": "triplet between two parts of the inductive split",
    "transductive_border": "triplet that no part of the transductive split holds",
    "temporal_border": "triplet that no part of the temporal split holds",
    "semi_inductive_border": "triplet that no part of the semi-inductive split holds",
    "text_of_unknown_id": "text of an id that no triplet holds",
    "name_of_unknown_id": "line of names of an id that no triplet holds",
    "repeated_text": "further text of an entity that has one",
    "repeated_names": "further line of names of an id that has one",
    "empty_text": "text of white space alone",
    "line_columns": "line of a text file with the wrong number of columns",
    "line_encoding": "line of a text file that is not UTF-8",
    "line_empty_field": "line of a text file with an empty field",
    "temporal_entity_gone": "earlier triplet with an entity that the later dataset lacks",
    "temporal_relation_gone": "earlier triplet of a relation that the later dataset lacks",
    "temporal_unseen_entity": "new triplet with an entity that the earlier triplets lack",
    "temporal_unseen_relation": "new triplet of a relation that the earlier triplets lack",
    "classification_no_negative": "held-out triplet for which no false one of its kind exists",
}

CorpusSource = Literal["wikipedia", "texts"]

DEPARTURE_MEANING: Final[dict[str, str]] = {
    "unseen_entity": "triplets with an entity that neither train nor the support holds",
    "unseen_relation": "triplets of a relation that train lacks",
    "repeated": "triplets that stand here or in an earlier part already",
    "shared_entity": "entities that an earlier part has too",
    "left_out": "triplets among the part's own entities that it does not hold",
    "not_one_unseen": "triplets that do not join a known and an unseen entity",
    "entity_without_text": "entities without a description",
    "not_held_out": "triplets labelled true that their part does not hold",
    "false_in_graph": "triplets labelled false that a part holds",
}
"""What a split or graph taken from elsewhere may break, by the last words of its name."""

MANIFEST: Final = "manifest.json"
ENTITIES: Final = "entities.parquet"
RELATIONS: Final = "relations.parquet"
CLASSES: Final = "classes.parquet"
TRIPLETS: Final = "triplets.parquet"
DESCRIPTIONS: Final = "descriptions"
DOCUMENTS: Final = "documents"


def departure_meaning(name: str) -> str:
    """What a departure such as `transductive_valid_unseen_entity` counts; see drop_meaning."""
    return next((text for rule, text in DEPARTURE_MEANING.items() if name.endswith(rule)), "")


def drop_meaning(name: str) -> str:
    """What a reason of a manifest counts; "" of one that a later version may have written."""
    return DROP_MEANING.get(name, "")


def split_file(setting: Setting, part: Part | Support) -> str:
    """The file of one part of a split, relative to the dataset folder."""
    return f"{setting}/{part}.parquet"


def classification_file(part: Part) -> str:
    """The file of a triple-classification set, relative to the dataset folder."""
    return f"classification/{part}.parquet"


_TEXTS = pa.list_(pa.string())

ENTITY_SCHEMA: Final = pa.schema(
    [
        pa.field("entity", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("types", _TEXTS, nullable=False),
        pa.field("aliases", _TEXTS, nullable=False),
        pa.field("disambiguation", pa.bool_(), nullable=False),
    ]
)
DESCRIPTION_SCHEMA: Final = pa.schema(
    [
        pa.field("index", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
RELATION_SCHEMA: Final = pa.schema(
    [
        pa.field("relation", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("description", pa.string(), nullable=False),
        pa.field("aliases", _TEXTS, nullable=False),
    ]
)
CLASS_SCHEMA: Final = pa.schema(
    [
        pa.field("class", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
    ]
)
TRIPLET_SCHEMA: Final = pa.schema(
    [
        pa.field("head", pa.int32(), nullable=False),
        pa.field("relation", pa.int32(), nullable=False),
        pa.field("tail", pa.int32(), nullable=False),
    ]
)
CLASSIFICATION_SCHEMA: Final = TRIPLET_SCHEMA.append(pa.field("label", pa.bool_(), nullable=False))
CORPUS_SCHEMA: Final = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
    ]
)
