"""Models side by side on the same labelled texts, each measured in a fresh process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.data.keys import normalise
from bert_emotion.data.labelled import Labelled
from bert_emotion.errors import InputError, ModelError, require
from bert_emotion.evaluation.benchmark import machine, versions
from bert_emotion.evaluation.contenders import (
    LEXICON,
    TFIDF,
    Facts,
    facts_of,
    label_sets_of,
    labels_at_rest,
    lexicon_sets,
    save_tfidf,
)
from bert_emotion.evaluation.judge import described, labels_of
from bert_emotion.evaluation.label_space import Truth, plain_names, understand

SORTS: dict[str, bool] = {
    "macro_f1": True,
    "accuracy": True,
    "weighted_f1": True,
    "texts_per_s": True,
    "parameters": False,
    "size_mb": False,
    "p50_ms": False,
    "peak_mib": False,
}
"""What a comparison can be sorted by: whether more is better."""

OUT_FILES = ("README.md", "report.json", "report.html")
"""Files of a report folder, besides its plots."""

Say = Callable[[str], None]


def compare(
    models: Sequence[str],
    data: Labelled,
    *,
    train: Labelled | None = None,
    map_to: str | None = None,
    shared_only: bool = False,
    sort: str = "macro_f1",
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Run every model on the data and score all of them alike.

    Args:
        models: names as ``contenders.open_contender`` takes them.
        data: labelled texts, read with ``clean=False``.
        train: what ``tfidf`` learns from; texts that stand in `data` too are left out.
        map_to: the data's labels are those of this foreign set; None maps a set that is known by its names
            where a model does not have these names.
        shared_only: leave out rows whose label no model knows.
        sort: key of ``SORTS``.
        say: called with one line a step.

    Returns:
        ``{"data", "rows", "failed", "significance", "sort", "machine", "versions"}``; the rows are sorted, best
        first.

    Raises:
        InputError: unknown labels, or ``tfidf`` without `train`.
        ModelError: no model at all could be scored.
        MissingExtraError: scikit-learn is not installed.
    """
    require("sklearn", "report")
    if sort not in SORTS:
        raise InputError(f"cannot sort by {sort!r}; there are {', '.join(SORTS)}.")
    if TFIDF in models and train is None:
        raise InputError("tfidf learns from labelled texts: give them with --train.")
    models = list(dict.fromkeys(models))
    others = [labels for spec in models for labels in lexicon_sets(spec)]
    numbered, unread = _label_sets(models)
    if train is not None:
        numbered.append(train.names)
    if not unread:
        # what is wrong with the data is told before the models take minutes
        understand(data, numbered, others=others, map_to=map_to, shared_only=shared_only, recognise_data=True)
    with tempfile.TemporaryDirectory(prefix="bert-emotion-compare-") as scratch:
        tfidf = None
        if TFIDF in models and train is not None:
            say("training TF-IDF + logistic regression")
            tfidf = Path(scratch) / "tfidf.pickle"
            learnt = understand(train, numbered, others=others, map_to=map_to, shared_only=True, recognise_data=True)
            trained_on, left_out = _train_tfidf(learnt, data, tfidf)
        results = []
        for place, spec in enumerate(models, start=1):
            say(f"[{place}/{len(models)}] {spec}")
            results.append(_measured(spec, data.texts, tfidf if spec == TFIDF else None, Path(scratch) / str(place)))
            if "reason" in results[-1]:
                say(f"{spec}: {results[-1]['reason']}")
    answered = [result for result in results if "reason" not in result]
    failed = [{"model": result["spec"], "reason": result["reason"]} for result in results if "reason" in result]
    if not answered:
        raise ModelError("no model could be compared. " + "; ".join(f"{f['model']}: {f['reason']}" for f in failed))
    truth, rows, answers = _scored(answered, data, failed, others, map_to, shared_only)
    if not rows:
        raise ModelError("no model could be scored. " + "; ".join(f"{f['model']}: {f['reason']}" for f in failed))
    order = sorted(range(len(rows)), key=lambda i: _place(rows[i], sort))
    figures: dict[str, Any] = {
        "data": described(truth),
        "rows": [rows[i] for i in order],
        "failed": failed,
        "sort": sort,
        "machine": machine(),
        "versions": versions(),
    }
    if tfidf is not None:
        figures["tfidf"] = {"texts": trained_on, "left_out_because_in_data": left_out}
    if len(order) > 1:
        figures["significance"] = _significance(truth, [(rows[i]["name"], answers[i]) for i in order[:2]])
    return figures


def _label_sets(models: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Labels of the models whose files tell them, and the models of which only loading tells."""
    found = {spec: labels_at_rest(spec) for spec in models if spec != TFIDF and not spec.startswith(LEXICON)}
    return [labels for labels in found.values() if labels], [spec for spec, labels in found.items() if not labels]


def _train_tfidf(learnt: Truth, data: Labelled, path: Path) -> tuple[int, int]:
    """Train on what is not in the data; returns the texts that were learnt from and those that were left out."""
    held_out = {normalise(text) for text in data.texts}
    rows = [i for i, text in enumerate(learnt.texts) if normalise(text) not in held_out]
    labels = [tuple(learnt.names[j] for j in np.flatnonzero(learnt.given[i])) for i in rows]
    if len({label for one in labels for label in one}) < 2:
        raise InputError("--train has fewer than two labels left, once the texts of --data are taken out.")
    save_tfidf([learnt.texts[i] for i in rows], labels, multi_label=learnt.multi_label, path=path)
    return len(rows), len(learnt.texts) - len(rows)


def _measured(spec: str, texts: list[str], tfidf: Path | None, folder: Path) -> dict[str, Any]:
    """One contender in its own process: ``spec`` and either ``reason`` or ``facts``, ``figures`` and ``scores``."""
    folder.mkdir()
    job = folder / "job.json"
    content = {"spec": spec, "texts": texts, "tfidf": str(tfidf) if tfidf else None, "out": str(folder)}
    job.write_text(json.dumps(content), encoding="utf-8")
    # one thread for everybody, and no words of libraries between ours
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "bert_emotion.evaluation.compare_child", str(job)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    result = folder / "result.json"
    if done.returncode != 0 or not result.is_file():
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        killed = " (killed: out of memory?)" if done.returncode == -9 else ""
        return {"spec": spec, "reason": f"its process ended with code {done.returncode}{killed}: {last[:300]}"}
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "reason" not in found:
        found |= {"facts": facts_of(found["facts"]), "scores": np.load(folder / "scores.npy")}
    return found | {"spec": spec}


def _scored(
    results: list[dict[str, Any]],
    data: Labelled,
    failed: list[dict[str, str]],
    others: list[tuple[str, ...]],
    map_to: str | None,
    shared_only: bool,
) -> tuple[Truth, list[dict[str, Any]], list[Any]]:
    """Rows of the comparison with the answers behind them; a model that knows no label goes to `failed`."""
    from bert_emotion.evaluation import scores

    numbered = [labels for result in results for labels in label_sets_of(result["facts"])[0]]
    texts = list(range(len(data)))
    # positions instead of texts: rows may be left out, and the answers must follow
    positions = replace(data, texts=[str(i) for i in texts])
    found = understand(positions, numbered, others=others, map_to=map_to, shared_only=shared_only, recognise_data=True)
    kept = [int(position) for position in found.texts]
    truth = replace(found, texts=[data.texts[i] for i in kept])
    rows: list[dict[str, Any]] = []
    every: list[Any] = []
    for result in results:
        facts: Facts = result["facts"]
        try:
            answers = scores.read_answers(result["scores"][kept], facts, truth)
        except InputError as error:
            failed.append({"model": result["spec"], "reason": str(error)})
            continue
        taken = {row["name"] for row in rows}
        names = (facts.name, f"{facts.name} ({facts.kind.partition(',')[0]})", result["spec"])
        name = next((name for name in names if name not in taken), result["spec"])
        labels = labels_of(truth, answers)
        part = scores.block(truth, answers, answers.shared) if 0 < answers.shared.sum() < len(kept) else None
        full = scores.block(truth, answers)
        rows.append(
            {"name": name, "spec": result["spec"], "kind": facts.kind}
            | {key: value for key, value in asdict(facts).items() if key in ("parameters", "size_mb")}
            | result["figures"]
            | {"own_labels": list(plain_names(facts.labels)), "labels": labels, "full": full, "shared": part or full}
            | {"labels_it_can_give": len(truth.names) - len(labels["cannot_give"])}
        )
        every.append(answers)
    return truth, rows, every


def value_of(row: dict[str, Any], key: str) -> float | None:
    """The figure of a row that a key of ``SORTS`` names."""
    value = row["full"].get(key, row.get(key))
    return None if value is None else float(value)


def _place(row: dict[str, Any], sort: str) -> tuple[bool, float]:
    value = value_of(row, sort)
    if value is None:
        return True, 0.0
    return False, -value if SORTS[sort] else value


def _significance(truth: Truth, pair: list[tuple[str, Any]]) -> dict[str, Any]:
    from bert_emotion.evaluation import scores

    (first, one), (second, two) = pair
    return {
        "first": first,
        "second": second,
        "mcnemar": scores.mcnemar(one.right, two.right),
        "macro_f1": scores.paired_bootstrap(truth, one, two),
    }


def write_comparison(figures: dict[str, Any], out: Path) -> None:
    """Write the report folder: ``README.md``, ``report.json``, ``report.html`` and the plots.

    Raises:
        InputError: the folder cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", "report")
    from bert_emotion.evaluation import plots
    from bert_emotion.evaluation.compare_render import comparison_document, comparison_plots
    from bert_emotion.evaluation.document import to_html, to_markdown, write_files

    document, drawn = comparison_document(figures), comparison_plots(figures)
    named = {name: f"{name}.png" for name in drawn}
    page = to_html(document, {name: plots.to_svg(draw, name) for name, draw in drawn.items()})
    write_files(
        {out / named[name]: plots.to_png(draw) for name, draw in drawn.items()}
        | {
            out / "report.json": json.dumps(figures, ensure_ascii=False, indent=1) + "\n",
            out / "report.html": page,
            out / "README.md": to_markdown(document, named),
        }
    )
