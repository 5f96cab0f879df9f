"""``bert-emotion info``, ``verify`` and ``model …``: look at a model, check it, build the shipped ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from bert_emotion import artifact
from bert_emotion.cli.options import PREPARED, Encoder, Model, Prepared
from bert_emotion.cli.progress import training_bars
from bert_emotion.errors import InputError, require
from bert_emotion.labels import emoji_of

app = typer.Typer(help="Build the shipped models: train, then package.", no_args_is_help=True)


def info(
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest as JSON.")] = False,
) -> None:
    """Show a model: size, labels, data and licences, scores."""
    config = artifact.load_config(model)
    manifest = artifact.read_manifest(config.folder)
    if as_json:
        typer.echo(json.dumps(manifest, ensure_ascii=False, indent=2))
        return
    files = (artifact.CONFIG, artifact.TOKENIZER, artifact.MANIFEST, artifact.NETWORKS[config.runtime])
    size = sum((config.folder / name).stat().st_size for name in files) / 1e6
    lines = [
        ("model", config.name),
        ("folder", str(config.folder)),
        ("size", f"{size:.1f} MB, {manifest.get('parameters', 0) / 1e6:.1f} M parameters, int8"),
        ("window", f"{config.max_length} tokens; longer texts are read in sentence windows"),
        ("labels", " ".join(f"{emoji_of(label)} {label}" for label in config.labels)),
        ("threshold", f"{config.threshold:.2f}; below it an answer carries low_confidence"),
        ("licence", str(manifest.get("licence", "unknown"))),
    ]
    lines += [("data", f"{name} ({entry['licence']})") for name, entry in manifest.get("sources", {}).items()]
    for name, m in manifest.get("metrics", {}).items():
        figures = [
            f"{key.replace('_', ' ')} {m[key]:.3f}" for key in ("accuracy", "macro_f1", "sarcastic_f1") if key in m
        ]
        lines.append(("score", f"{name}: {', '.join(figures)} ({m['rows']} texts)"))
    if "examples_passed" in manifest:
        lines.append(("examples", f"{manifest['examples_passed']} of 13"))
    for key, value in lines:
        typer.echo(f"{key:<10} {value}")


def verify(model: Model = None) -> None:
    """Check every file of a model against the sha256 of its manifest."""
    folder = artifact.find_model(model)
    for name in artifact.verify(folder):
        typer.echo(f"ok  {name}")


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = Path("runs/finetune/model"),
    run: Annotated[Path, typer.Option(help="Folder of checkpoints; an interrupted run goes on.")] = Path(
        "runs/finetune"
    ),
    prepared: Prepared = PREPARED,
    encoder: Encoder = "sentence-transformers/all-MiniLM-L6-v2",
) -> None:
    """Fine-tune the encoder on the authored text and the public rows a first model agrees with."""
    for library in ("torch", "transformers", "pyarrow", "emoji"):
        require(library, "train")
    from bert_emotion.training.finetune import FinetuneConfig, finetune

    with training_bars() as progress:
        record = finetune(prepared, run, out, FinetuneConfig(encoder=encoder), progress)
    typer.echo(f"{out}: stage {record['chosen']}, authored dev macro-F1 {record['dev_macro_f1']:.4f}")


@app.command()
def teacher(
    encoder: Encoder = "sentence-transformers/all-mpnet-base-v2",
    run: Annotated[Path, typer.Option(help="Folder of the teacher; interrupted work goes on.")] = Path("runs/teacher"),
    prepared: Prepared = PREPARED,
) -> None:
    """Fine-tune the large teacher and compute its answers for the pool of texts, both once."""
    for library in ("torch", "transformers", "pyarrow", "emoji", "sklearn"):
        require(library, "train")
    from bert_emotion.training.distill import PoolConfig, teacher_answers
    from bert_emotion.training.teacher import TeacherConfig, train_teacher, trained_teacher

    config = TeacherConfig(encoder=encoder)
    with training_bars() as progress:
        record = train_teacher(prepared, run, config, progress)
        texts, _ = teacher_answers(
            prepared,
            run,
            PoolConfig(),
            lambda: trained_teacher(run, config),
            lambda done, total: progress("answers", done, total, 0.0, None),
        )
    typer.echo(f"{run}: authored dev macro-F1 {record['best']:.4f}, answers for {len(texts)} texts")


@app.command()
def distill(
    tier: Annotated[str, typer.Argument(help="Size of the ladder: base, small, mini or nano.")],
    runs: Annotated[Path, typer.Option(help="Folder of all runs; holds the tier's and the one it starts from.")] = Path(
        "runs"
    ),
    teacher_run: Annotated[Path, typer.Option("--teacher", help="Folder of the teacher.")] = Path("runs/teacher"),
    assistant: Annotated[
        str | None, typer.Option(help="A shipped model that teaches instead: weaker, faster, with a larger pool.")
    ] = None,
    go_on: Annotated[
        Path | None, typer.Option("--from", help="Go on from this folder of the same shape (default: the recipe's).")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the rows (default: the recipe's).")] = None,
    unlabelled: Annotated[
        int | None, typer.Option(help="Unlabelled texts in the pool (default: 30,000, of an assistant 200,000).")
    ] = None,
    pool_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the teacher's pool to learn from; authored rows all stay.")
    ] = 1.0,
    masked: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share of the pieces that is hidden in training, against learning by heart."),
    ] = 0.0,
    public_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of public rows' own labels in what is learnt of them.")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Seed of order, changed copies and dropout (default: 13).")] = None,
    prepared: Prepared = PREPARED,
) -> None:
    """Distil the teacher into one size of the ladder; writes RUNS/TIER/model."""
    for library in ("torch", "transformers", "pyarrow", "emoji", "sklearn"):
        require(library, "train")
    from bert_emotion.training.distill import ASSISTED_POOL, PoolConfig, assistant_record, read_teacher, teacher_answers
    from bert_emotion.training.distill import distill as run_distill
    from bert_emotion.training.ladder import LADDER
    from bert_emotion.training.students import Shape
    from bert_emotion.training.teacher import assistant as load_assistant
    from bert_emotion.training.teacher import trained_teacher

    if tier not in LADDER:
        raise InputError(f"no size {tier!r}; the ladder has {', '.join(LADDER)}.")
    recipe = dataclasses.replace(LADDER[tier].recipe, start=str(runs / LADDER[tier].start / "model"))
    if go_on is not None:
        recipe = dataclasses.replace(recipe, start=str(go_on), shape=Shape())
    recipe = dataclasses.replace(recipe, pool_share=pool_share, public_share=public_share)
    loop = dataclasses.replace(
        recipe.loop,
        epochs=recipe.loop.epochs if epochs is None else epochs,
        seed=recipe.loop.seed if seed is None else seed,
        masked=masked,
    )
    recipe = dataclasses.replace(recipe, loop=loop)
    if assistant is None:
        pool, folder = PoolConfig(), teacher_run
        record, config = read_teacher(teacher_run)
    else:
        pool, folder = ASSISTED_POOL, runs / f"assistant-{assistant}"
        record = assistant_record(assistant)
    if unlabelled is not None:
        pool = dataclasses.replace(pool, unlabelled=unlabelled)
    with training_bars() as progress:
        texts, logits = teacher_answers(
            prepared,
            folder,
            pool,
            lambda: trained_teacher(teacher_run, config) if assistant is None else load_assistant(assistant),
            lambda done, total: progress("answers", done, total, 0.0, None),
        )
        out = runs / tier / "model"
        result = run_distill(prepared, runs / tier / "fit", out, recipe, pool, texts, logits, record, progress)
    typer.echo(f"{out}: authored dev macro-F1 {result['dev_macro_f1']:.4f}")


@app.command()
def match(
    student: Annotated[Path, typer.Argument(help="Folder of the model that learns.")],
    wide: Annotated[Path, typer.Argument(help="Folder of the wider model that it follows; the same vocabulary.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = Path("runs/match/model"),
    run: Annotated[Path, typer.Option(help="Folder of checkpoints.")] = Path("runs/match/fit"),
    unlabelled: Annotated[int, typer.Option(help="Unlabelled texts, beside authored and public ones.")] = 200_000,
    epochs: Annotated[float, typer.Option(help="Passes over the texts.")] = 1.0,
    prepared: Prepared = PREPARED,
) -> None:
    """Let a small model learn the inner states of a wider one; `model distill --from` goes on from there."""
    for library in ("torch", "transformers", "pyarrow", "sklearn"):
        require(library, "train")
    from bert_emotion.training.matching import MatchConfig
    from bert_emotion.training.matching import match as run_match

    config = MatchConfig(str(student), str(wide))
    pool = dataclasses.replace(config.pool, unlabelled=unlabelled)
    config = dataclasses.replace(config, pool=pool, loop=dataclasses.replace(config.loop, epochs=epochs))
    with training_bars() as progress:
        record = run_match(prepared, run, out, config, progress)
    typer.echo(f"{out}: authored dev macro-F1 {record['dev_macro_f1']:.4f}")


@app.command()
def average(
    models: Annotated[list[Path], typer.Argument(help="Trained folders of one shape, the newest first.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    share: Annotated[list[float] | None, typer.Option(help="Share of each, in order (default: equal ones).")] = None,
    prepared: Prepared = PREPARED,
) -> None:
    """Write the mean of several models that were trained on from common weights."""
    require("torch", "train")
    from bert_emotion.training.average import average as run_average

    record = run_average(prepared, models, share or [1 / len(models)] * len(models), out)
    typer.echo(f"{out}: authored dev macro-F1 {record['dev_macro_f1']:.4f}")


@app.command()
def benchmark(
    task: Annotated[str, typer.Argument(help="'dair-ai/emotion', 'GoEmotions, 28 labels' or 'TweetEval emotion'.")],
    encoder: Annotated[str, typer.Argument(help="Folder of a trained model of ours, or any BERT-like encoder.")],
    preset: Annotated[
        str, typer.Option(help="default, long (more passes) or multilingual-article: the article's settings.")
    ] = "default",
    seed: Annotated[int | None, typer.Option(help="Seed (default: the preset's).")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of checkpoints.")] = Path("runs/benchmarks"),
    out: Annotated[Path, typer.Option(help="Folder of results and their table.")] = Path("reports/benchmarks"),
    prepared: Prepared = PREPARED,
) -> None:
    """Fine-tune an encoder on a published benchmark and score its test split; such weights are never shipped."""
    for library in ("torch", "transformers", "pyarrow", "emoji"):
        require(library, "train")
    from bert_emotion.training.benchmarks import run_benchmark, save_result, write_table

    with training_bars() as progress:
        run = runs / f"{task}-{Path(encoder).parent.name}-{preset}-{seed}".replace("/", "-").replace(" ", "-")
        result = run_benchmark(task, encoder, prepared, run, preset=preset, seed=seed, progress=progress)
    path = save_result(result, out)
    write_table(out)
    typer.echo(f"{path}: " + ", ".join(f"{key} {value:.4f}" for key, value in result["test"].items()))


@app.command()
def package(
    trained: Annotated[Path, typer.Argument(help="Folder that training wrote.")],
    out: Annotated[Path, typer.Argument(help="Model folder to write; its name is the model's name.")],
    prepared: Prepared = PREPARED,
    weights: Annotated[bool, typer.Option(help="Keep the half-precision torch weights beside int8.")] = True,
) -> None:
    """Export to int8 ONNX, check against the trained weights, calibrate, evaluate, write manifest and card."""
    for library in ("torch", "transformers", "onnx", "pyarrow"):
        require(library, "export")
    from bert_emotion.export.package import package as run

    manifest = run(trained, prepared, out, name=out.name, weights=weights, say=lambda line: typer.echo(line, err=True))
    test = manifest["metrics"]["authored test"]
    typer.echo(
        f"{out}: authored test macro-F1 {test['macro_f1']:.4f}, examples {manifest['examples_passed']}/13, "
        f"int8 keeps {manifest['parity']['int8_equal_labels']:.2%} of the labels"
    )


@app.command()
def devices(
    models: Annotated[list[str] | None, typer.Argument(help="Models (default: every shipped one).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("reports/devices"),
) -> None:
    """Measure every route to a device: bytes, speed, memory and parity, beside estimates for what is not here.

    Figures of other shipped models stay in the table, if this machine and these libraries gave them.
    """
    for library in ("torch", "transformers", "onnx"):
        require(library, "export")
    from bert_emotion.evaluation.devices import joined, measure_devices, write_devices

    shipped = artifact.shipped_models()
    figures = joined(measure_devices(models or shipped, say=lambda line: typer.echo(line, err=True)), out, shipped)
    write_devices(figures, out)
    typer.echo(
        f"{out / 'README.md'}: {len(figures['rows'])} routes, {sum('failed' in r for r in figures['rows'])} failed"
    )
