"""A trained encoder as a folder that other libraries load, with a model card.

Imports safetensors, ujson, benchmarks.{results,tensors}, kepler_ke.{dkrl,encoder,runs} and
wikidata5m.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, Literal

import ujson
from safetensors.torch import save_file

from benchmarks.results import load_result
from benchmarks.tensors import telling_of_disk
from kepler_ke.dkrl import Dkrl
from kepler_ke.encoder import Kepler, load_kepler, save_kepler
from kepler_ke.runs import RunInfo, read_run
from wikidata5m.errors import ConfigError
from wikidata5m.files import atomic_path, claim_output, write_json

Target = Literal["hf", "sentence-transformers"]
_MODULES: Final = "sentence_transformers.models"

CARD: Final = """---
library_name: {library}
pipeline_tag: {task}
tags: [knowledge-graph, link-prediction, wikidata5m]
---

# {name}

A text encoder trained by `wikidata5m kepler train` with the preset `{preset}`, from `{encoder}`, on
the {setting} training part of a knowledge graph. It turns an entity's description into the entity's
vector, also of entities it has never seen.

- **Text**: {text}, the first {tokens} tokens.
- **Vector**: {pooling}{projection}{normalize}; {dim} wide.
- **Score** of (head, relation, tail): {score}. {relations}{conditioned}

```python
{usage}
```

{results}
Trained on dataset `{dataset_hash}`, seed {seed}. All settings are in `kepler.json`.
"""

_USAGE: Final[dict[Target, str]] = {
    "hf": """from transformers import AutoModel, AutoTokenizer

model, tokenizer = AutoModel.from_pretrained("."), AutoTokenizer.from_pretrained(".")
batch = tokenizer(texts, padding=True, truncation=True, max_length={tokens}, return_tensors="pt")
states = model(**batch).last_hidden_state
{pool}""",
    "sentence-transformers": """from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer(".").encode(texts)""",
}


def export_run(run: Path, to: Target, out: Path, *, overwrite: bool = False) -> None:
    """Write RUN's encoder into `out` for AutoModel(ForMaskedLM), or for SentenceTransformer.

    Raises ConfigError on DKRL's encoder, which is no transformer, and where a projection would be
    lost.
    """
    info = read_run(run)
    model, tokenizer = load_kepler(run / "model")
    if isinstance(model.language_model, Dkrl):
        raise ConfigError(f"{run}: DKRL's encoder is no transformer; only kepler_ke loads it")
    if model.projection is not None and to == "hf":
        raise ConfigError(
            f"{run}: has a projection behind the encoder, which AutoModel would leave out; "
            "pass --to sentence-transformers"
        )
    claim_output(out, overwrite=overwrite, inputs=[run], keep=True, whole=True)
    with atomic_path(out) as temporary, telling_of_disk(out):
        temporary.mkdir()
        save_kepler(temporary, model, tokenizer)
        if to == "sentence-transformers":
            _sentence_modules(temporary, model)
        (temporary / "README.md").write_text(_card(run, to, info, model), encoding="utf-8")
        shutil.rmtree(out)


def _sentence_modules(folder: Path, model: Kepler) -> None:
    """The chain of modules: transformer, pooling, and where there are some projection and norm."""
    width = int(model.language_model.config.hidden_size)  # type: ignore[union-attr, arg-type]
    modules: list[tuple[str, str]] = [("", "Transformer"), ("1_Pooling", "Pooling")]
    first = model.config.pooling == "first"
    pooling = {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": first,
        "pooling_mode_mean_tokens": not first,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    write_json(folder / "1_Pooling" / "config.json", pooling)
    if model.projection is not None:
        modules.append(("2_Dense", "Dense"))
        dense = {
            "in_features": width,
            "out_features": model.dim,
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
        write_json(folder / "2_Dense" / "config.json", dense)
        tensors = {
            f"linear.{name}": x.detach().contiguous()
            for name, x in model.projection.named_parameters()
        }
        save_file(tensors, folder / "2_Dense" / "model.safetensors")
    if model.config.normalize:
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
        (folder / modules[-1][0]).mkdir()
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{_MODULES}.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    told = ujson.dumps(listed, indent=2, escape_forward_slashes=False)
    (folder / "modules.json").write_text(told, encoding="utf-8")
    limits = {"max_seq_length": model.config.tokens, "do_lower_case": False}
    write_json(folder / "sentence_bert_config.json", limits)


def _card(run: Path, to: Target, info: RunInfo, model: Kepler) -> str:
    config = model.config
    first = config.pooling == "first"
    pool = "vectors = states[:, 0]"
    if not first:
        pool = (
            'mask = batch["attention_mask"].unsqueeze(-1)\n'
            "vectors = (states * mask).sum(1) / mask.sum(1)"
        )
    if config.normalize:
        pool += "\nvectors = vectors / vectors.norm(dim=-1, keepdim=True)"
    scores = {
        "transe": f"gamma - ||h + r - t||, norm {config.p}, gamma {config.gamma:g}",
        "distmult": "the sum of h * r * t",
        "complex": "Re <h, r, conj(t)>, halves being real and imaginary parts",
        "cosine": "the cosine of head and tail",
    }
    named = "the name, then the description where it does not begin with it"
    return CARD.format(
        library="sentence-transformers" if to == "sentence-transformers" else "transformers",
        task="sentence-similarity" if to == "sentence-transformers" else "feature-extraction",
        name=run.resolve().name,
        preset=info.preset,
        encoder=Path(info.encoder).name,
        setting=info.setting,
        text="the description" if config.text == "description" else named,
        tokens=config.tokens,
        pooling="the first token's last hidden state"
        if first
        else "the mean of last hidden states",
        projection=", projected" if config.projection else "",
        normalize=", of length 1" if config.normalize else "",
        dim=model.dim,
        score=scores[config.scorer],
        relations=_relations(info, model),
        conditioned=(
            " The head is encoded with the relation's text behind its own, between separators."
            if config.conditioned
            else ""
        ),
        usage=_USAGE[to].format(tokens=config.tokens, pool=pool),
        results=_results(run),
        dataset_hash=info.dataset_hash[:16],
        seed=info.seed,
    )


def _relations(info: RunInfo, model: Kepler) -> str:
    """Where a relation's vector comes from."""
    config = model.config
    if config.scorer == "cosine":
        return "Relations have no vectors: the head's text tells them."
    if config.relations == "text":
        return "A relation's vector is that of its description, encoded as an entity's."
    inverse = ", then those of their inverses" if config.inverse else ""
    second = "; behind them those of the second graph in the same way" if info.second else ""
    return (
        "The relations' vectors are `relations_RD` in\n  `relations.safetensors`, in the order of "
        f"the dataset's relations{inverse}{second}."
    )


def _results(run: Path) -> str:
    """What was measured, if anything was."""
    lines = []
    for file in sorted((run / "results").glob("*.json")):
        result = load_result(file)
        both = result.metrics["both"]
        figures = ", ".join(
            f"{name.upper()} {both[name]:.4g}" for name in ("mrr", "hits@1", "hits@10")
        )
        what = f"{result.dataset.name}, {result.setting} {result.part}"
        lines.append(f"{what}: {figures}. {result.protocol.in_words()}\n")
    return "\n".join(lines) or "It has not been evaluated.\n"
