"""`wikidata5m kepler ...`. Imports click, benchmarks.options, wikidata5m.console and errors.

The rest is imported when a command is run.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.options import ranking_options
from wikidata5m.console import (
    SEED,
    command_line,
    complete_from,
    emit,
    json_option,
    output_options,
    table,
)
from wikidata5m.errors import DatasetError

if TYPE_CHECKING:
    from kepler_ke.export import Target
    from kepler_ke.init import Size
    from wikidata5m.dataset import Dataset
    from wikidata5m.explorer.answerers import Role
    from wikidata5m.schema import Part, Setting

_PATH = click.Path(path_type=Path)


@click.group(short_help="Train KEPLER, an encoder of unseen entities too.")
def kepler() -> None:
    """Train KEPLER: an encoder that turns descriptions into embeddings, also of unseen entities.

    \b
    Example:
      wikidata5m kepler train dataset --encoder roberta-base --corpus corpus --out runs/kepler
      wikidata5m kepler evaluate runs/kepler
    """


@kepler.command(name="presets", short_help="List the presets.")
@json_option
def list_presets(as_json: bool) -> None:
    """List the presets: the paper's variants and baselines, and ours; and the forms they take.

    \b
    Example:
      wikidata5m kepler presets
    """
    from kepler_ke.config import forms, presets, resolve_config

    header = ["preset", "objective", "scorer", "gamma", "negatives", "conditioned", "mlm_batch"]
    header += ["batch", "accumulate", "epochs", "lr"]
    configs = {name: resolve_config(name) for name in presets()}
    rows = [[name, *(getattr(c, key) for key in header[1:])] for name, c in configs.items()]
    found = [dict(zip(header, row, strict=True)) for row in rows]
    told = [[f"{x:g}" if isinstance(x, float) else x for x in row] for row in rows]
    behind = ", ".join(f"-{name}" for name in forms())
    text = f"{table(header, told)}\n\nforms, behind a name (kepler-wiki-small): {behind}"
    emit({"presets": found, "forms": forms()}, as_json=as_json, text=text)


@kepler.command(short_help="Write a small encoder with random weights.")
@click.argument("dataset", type=_PATH)
@click.option("--out", required=True, type=_PATH, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option(
    "--size",
    type=click.Choice(["tiny", "small"]),
    default="tiny",
    show_default=True,
    help="2 layers x 128 or 4 x 256.",
)
@click.option(
    "--vocab", type=click.IntRange(min=261), default=4000, show_default=True, help="Most tokens."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of all randomness.")
@json_option
def init(
    dataset: Path, out: Path, overwrite: bool, size: Size, vocab: int, seed: int, as_json: bool
) -> None:
    """Write a small encoder with random weights, its tokenizer trained on DATASET's train texts.

    For graphs in a language without a pretrained encoder, and for trials. Where the dataset has a
    split with unseen entities, only the texts of its training entities are read.

    \b
    Example:
      wikidata5m kepler init dataset --size tiny --out encoder
    """
    from kepler_ke.data import strictest_setting, training_entities
    from kepler_ke.init import init_encoder
    from wikidata5m.dataset import Dataset
    from wikidata5m.files import atomic_path, claim_output

    data = Dataset(dataset)
    setting = strictest_setting(data)
    texts = [text for text in data.texts.take(training_entities(data, setting)) if text]
    if not texts:
        raise DatasetError(f"{dataset}: no descriptions to train a tokenizer on; add texts to it")
    claim_output(out, overwrite=overwrite, inputs=[dataset], keep=True, whole=True)
    with atomic_path(out) as temporary:
        tokenizer = init_encoder(temporary, texts, size=size, vocabulary=vocab, seed=seed)
        shutil.rmtree(out)
    after = command_line("kepler", "train", dataset, "--setting", setting, "--encoder", out)
    emit(
        {"encoder": str(out), "size": size, "tokens": len(tokenizer), "texts": len(texts)},
        as_json=as_json,
        text=f"{out}: {size} encoder, {len(tokenizer):,} tokens from {len(texts):,} texts\n"
        f"next: {after} --preset demo --out RUN",
    )


@kepler.command(short_help="Train an encoder on triplets and descriptions.")
@click.argument("dataset", type=_PATH)
@click.option(
    "--encoder",
    help="A Hugging Face masked language model: a folder, or a name such as roberta-base.",
)
@click.option(
    "--preset",
    shell_complete=complete_from(Path(__file__).with_name("presets")),
    help="One that `kepler presets` lists; behind it -ke or -nlp for the paper's two forms, or "
    "-small for two cores.  [default: kepler-wiki]",
)
@click.option("--config", "file", type=_PATH, help="YAML with settings over the preset's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@click.option(
    "--setting",
    type=click.Choice(["inductive", "transductive", "semi_inductive", "temporal"]),
    help="Which split; `evaluate` ranks in the same.  [default: inductive]",
)
@click.option("--corpus", type=_PATH, help="Texts for the masked-language-model loss: a folder.")
@click.option("--second", type=_PATH, help="A second dataset to train on as well (Eq. 7).")
@click.option("--seed", type=SEED, help="Of all randomness.  [default: 0]")
@output_options
@json_option
def train(
    dataset: Path,
    encoder: str | None,
    preset: str | None,
    file: Path | None,
    overrides: tuple[str, ...],
    setting: Setting | None,
    corpus: Path | None,
    second: Path | None,
    seed: int | None,
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train ENCODER on the triplets and descriptions of DATASET's train part.

    OUT holds the settings, the log, checkpoints, and at the end model/, which AutoModel reads.

    --resume alone goes on with the settings that OUT was started with; --corpus and --second are
    then wanted only where those folders have moved.

    \b
    Example:
      wikidata5m kepler train dataset --encoder roberta-base --corpus corpus --out runs/kepler
      wikidata5m kepler train dataset --encoder roberta-base --preset kepler-ke --out runs/ke
      wikidata5m kepler train dataset --encoder encoder --preset demo --out runs/kepler-demo
      wikidata5m kepler train dataset --out runs/kepler --resume
    """
    from benchmarks.processes import leads
    from kepler_ke.config import resolve_config
    from kepler_ke.runs import preset_of
    from kepler_ke.train import resume_training
    from kepler_ke.train import train as run
    from wikidata5m.dataset import Dataset

    data, other = Dataset(dataset), Dataset(second) if second else None
    if encoder:
        name = preset or (preset_of(file) if file else "") or "kepler-wiki"
        last = run(
            data,
            encoder,
            out,
            resolve_config(name, file, overrides),
            setting=setting or "inductive",
            seed=seed or 0,
            preset=name,
            corpus=corpus,
            second=other,
            overwrite=overwrite,
            resume=resume,
        )
    elif not resume:
        raise click.UsageError("Missing option '--encoder'.")
    elif preset or file or overrides or setting or seed is not None:
        raise click.UsageError(
            "--resume alone goes on with the run's own settings: leave the others out, or "
            "give all that it was started with, --encoder too."
        )
    else:
        last = resume_training(data, out, corpus=corpus, second=other)
    if not leads():
        return
    best = last.get("best")
    valid = (
        f"valid MRR {best['valid_mrr']:.4f} of {best['valid_directions']} after update "
        f"{best['step']:,}, query entity on top in {best['top1_self']:.0%}"
        if best
        else "no valid triplets ranked"
    )
    emit(
        {"run": str(out)} | last,
        as_json=as_json,
        text=f"{out}: {last['step']:,} updates, loss {last['loss']:.4f}, {valid}\n"
        f"next: {command_line('kepler', 'evaluate', out)}",
    )


@kepler.command(short_help="Write the vectors of all descriptions.")
@click.argument("run_folder", metavar="RUN", type=_PATH)
@click.option("--dataset", type=_PATH, help="The dataset, where it is not where RUN says.")
@output_options
@json_option
def encode(
    run_folder: Path,
    dataset: Path | None,
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the vectors of all entities' descriptions by RUN's encoder.

    They are written as they come, so that memory does not grow and --resume loses little.

    \b
    Example:
      wikidata5m kepler encode runs/kepler --out vectors
    """
    from kepler_ke.evaluate import encode_run

    data = _dataset(run_folder, dataset)
    texts, dim = encode_run(run_folder, data, out, overwrite=overwrite, resume=resume)
    count = len(texts.entities)
    emit(
        {"out": str(out), "entities": count, "dim": dim, "labels_only": texts.labels_only},
        as_json=as_json,
        text=f"{out}: {count:,} vectors of {dim}",
    )


@kepler.command(short_help="Rank triplets from descriptions alone.")
@click.argument("run_folder", metavar="RUN", type=_PATH)
@click.option("--dataset", type=_PATH, help="The dataset, where it is not where RUN says.")
@ranking_options
@click.option(
    "--untrained/--no-untrained",
    default=True,
    show_default=True,
    help="Rank by the encoder before training as well: all candidates are encoded twice.",
)
@json_option
def evaluate(
    run_folder: Path,
    dataset: Path | None,
    part: Part,
    sample: int | None,
    sample_seed: int | None,
    untrained: bool,
    as_json: bool,
) -> None:
    """Rank triplets from descriptions alone, and compare with the encoder before training.

    The split is the one that RUN was trained on; if inductive, unseen entities are ranked among the
    entities of that part. Writes RUN/results.

    \b
    Example:
      wikidata5m kepler evaluate runs/kepler --part valid --sample 1000 --no-untrained
    """
    from dataclasses import asdict

    from benchmarks.formats import markdown_table
    from kepler_ke.evaluate import evaluate_run

    if sample_seed is not None and not sample:
        raise click.UsageError("--sample-seed draws what --sample asks for.")
    data = _dataset(run_folder, dataset)
    result = evaluate_run(
        run_folder, data, part, sample=sample, sample_seed=sample_seed or 0, untrained=untrained
    )
    emit(asdict(result), as_json=as_json, text=markdown_table([result]))


@kepler.command(short_help="Answer for an entity that is in no graph.")
@click.argument("run_folder", metavar="RUN", type=_PATH)
@click.option("--text", required=True, help="What the entity is, its name first.")
@click.option(
    "--relation", required=True, metavar="ID", help="A relation of the dataset, by id or name."
)
@click.option(
    "--as",
    "role",
    type=click.Choice(["head", "tail"]),
    default="head",
    show_default=True,
    help="Which end of the triplet the text is; the other end is sought.",
)
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Answers.")
@click.option("--dataset", type=_PATH, help="The dataset, where it is not where RUN says.")
@json_option
def predict(
    run_folder: Path,
    text: str,
    relation: str,
    role: Role,
    top: int,
    dataset: Path | None,
    as_json: bool,
) -> None:
    """Rank the dataset's entities as answers for an entity that is in no graph.

    All entities are encoded when the first question is asked, into RUN/vectors.

    \b
    Example:
      wikidata5m kepler predict runs/kepler --relation P106 \\
        --text "Ada Lovelace was an English mathematician and writer."
    """
    from dataclasses import asdict

    from kepler_ke.predict import predict as ask

    data = _dataset(run_folder, dataset)
    answers = ask(run_folder, data, text, relation, role=role, top=top)
    rows = [[i + 1, a.entity, a.label, a.score] for i, a in enumerate(answers)]
    emit(
        {"relation": relation, "role": role, "answers": [asdict(answer) for answer in answers]},
        as_json=as_json,
        text=table(["rank", "entity", "label", "score"], rows),
    )


@kepler.command(short_help="Write the encoder for other libraries.")
@click.argument("run_folder", metavar="RUN", type=_PATH)
@click.option(
    "--to",
    type=click.Choice(["hf", "sentence-transformers"]),
    default="hf",
    show_default=True,
    help="For AutoModel and AutoModelForMaskedLM, or for SentenceTransformer.",
)
@click.option("--out", required=True, type=_PATH, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@json_option
def export(run_folder: Path, to: Target, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write RUN's encoder as a folder that other libraries load, with a model card.

    \b
    Example:
      wikidata5m kepler export runs/kepler --to sentence-transformers --out kepler-encoder
    """
    from kepler_ke.export import export_run

    export_run(run_folder, to, out, overwrite=overwrite)
    emit({"out": str(out), "to": to}, as_json=as_json, text=f"{out}: encoder for {to}")


@kepler.command(short_help="Read a released fairseq checkpoint.")
@click.argument("checkpoint", metavar="FILE.pt", type=_PATH)
@click.option(
    "--tokenizer", default="roberta-base", show_default=True, help="RoBERTa's: a name or a folder."
)
@click.option("--out", required=True, type=_PATH, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@json_option
def convert(checkpoint: Path, tokenizer: str, out: Path, overwrite: bool, as_json: bool) -> None:
    """Turn a released fairseq checkpoint of KEPLER into a folder that --encoder takes.

    Only tensors are loaded; a file that would run code is refused. The vectors of the checkpoint's
    relations go beside the model, into ke_relations.safetensors.

    \b
    Example:
      wikidata5m kepler convert KEPLERforNLP.pt --tokenizer roberta-base --out kepler-released
    """
    from kepler_ke.fairseq import convert_checkpoint

    found = convert_checkpoint(checkpoint, tokenizer, out, overwrite=overwrite)
    emit(
        {"out": str(out)} | found,
        as_json=as_json,
        text=f"{out}: {found['layers']} layers x {found['dim']}, {found['tokens']:,} tokens",
    )


def _dataset(run: Path, dataset: Path | None) -> Dataset:
    from benchmarks.runfolder import open_dataset
    from kepler_ke.runs import read_run

    return open_dataset(dataset, read_run(run).dataset)
