"""What GraphVite's knowledge-graph application reads: triplet files, names, a configuration.

Imports files and tsv. GraphVite cuts lines at any white space and takes what follows a # for a
comment, so ids of such characters are refused. The settings are those it publishes for RotatE on
Wikidata5M.
"""

from __future__ import annotations

import yaml

from wikidata5m.dataset import Dataset
from wikidata5m.export import files
from wikidata5m.export.files import Choice, ExportFile, text_file, whole_file
from wikidata5m.export.tsv import alias_files


def export(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    """train.txt, valid.txt, test.txt, entity.txt and relation.txt (names), config.yaml."""
    files.check_ids(dataset, r"[ \t\r\n#]", "white space or #")
    setting = choice.setting
    triplets = [
        text_file(
            f"{part}.txt",
            files.part_rows(dataset, setting, part),
            files.part_frames(dataset, setting, part),
        )
        for part in files.parts(dataset, setting)
    ]
    config = yaml.safe_dump(_config([file.name for file in triplets]), sort_keys=False)
    return [*triplets, *alias_files(dataset, choice, ""), whole_file("config.yaml", config)]


def _config(known: list[str]) -> dict[str, object]:
    return {
        "application": "knowledge graph",
        "resource": {"gpus": [], "cpu_per_gpu": "auto", "dim": 512},
        "graph": {"file_name": "train.txt", "normalization": True},
        "build": {
            "optimizer": {"type": "SGD", "lr": 1e-2, "weight_decay": 0},
            "num_partition": "auto",
            "num_negative": 64,
            "batch_size": 100_000,
            "episode_size": 200,
        },
        "train": {
            "model": "RotatE",
            "num_epoch": 1000,
            "margin": 6,
            "adversarial_temperature": 0.2,
            "relation_lr_multiplier": 1,
        },
        "evaluate": {"task": "link prediction", "file_name": "test.txt", "filter_files": known},
        "save": {"file_name": "rotate.pkl"},
    }
