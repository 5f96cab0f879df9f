"""Teacher, students and benchmarks on the toy encoder."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("transformers", reason="needs the train extra")
pytest.importorskip("emoji", reason="needs the train extra")
pytest.importorskip("sklearn", reason="needs the train extra")

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from bert_emotion import EmotionClassifier, TrainingError
from bert_emotion.data.prepare import read_table
from bert_emotion.evaluation.robustness import PERTURBATIONS, robustness
from bert_emotion.labels import LABELS
from bert_emotion.training import augment, average, benchmarks, distill, encoder, matching, students
from bert_emotion.training.ladder import LADDER
from bert_emotion.training.lineage import identity, without_repeats
from bert_emotion.training.loop import LoopConfig
from bert_emotion.training.quantaware import ActivationRounding, round_activations
from bert_emotion.training.teacher import TeacherConfig, assistant, spell_emoji, train_teacher, trained_teacher

from .toy import TRAINING

pytestmark = TRAINING
QUICK = LoopConfig(epochs=2, learning_rate=2e-3, batch=16, label_smoothing=0.0, dev_every=1)
ROUNDED = replace(QUICK, quantised_from=0.5)
POOL = distill.PoolConfig(public=(("goemotions", 20), ("xed", 10)), unlabelled=26, long=4)


@pytest.fixture(scope="module")
def start(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder as `model train` leaves it, here untrained."""
    folder = tmp_path_factory.mktemp("start")
    model = encoder.new_classifier(str(toy), None, 32, seed=1)
    tokenizer = Tokenizer.from_file(str(toy / "tokenizer.json"))
    tokenizer.enable_truncation(32)
    encoder.save_classifier(model, tokenizer.to_str(), folder, 32)
    record = {"recipe": "finetune", "config": {}, "commit": "x", "dev_macro_f1": 0.0, "sources": ["authored"]}
    (folder / "training.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_teacher_answers_once_and_the_student_learns_from_them(
    toy: Path, prepared: Path, start: Path, tmp_path: Path
) -> None:
    run = tmp_path / "teacher"
    config = TeacherConfig(encoder=str(toy), max_length=64, loop=QUICK)
    train_teacher(prepared, run, config)
    record, read_back = distill.read_teacher(run)
    assert read_back == config
    assert record["encoder"] == toy.name
    calls: list[int] = []
    loaded: list[str] = []

    def teacher():
        loaded.append("once")
        return trained_teacher(run, config)

    texts, logits = distill.teacher_answers(prepared, run, POOL, teacher, lambda done, _: calls.append(done))
    assert logits.shape == (len(texts), 13)
    again = distill.teacher_answers(prepared, run, POOL, teacher, lambda done, _: calls.append(done))
    assert (calls, loaded) == ([len(texts)], ["once"])
    np.testing.assert_array_equal(logits, again[1])
    fewer = distill.teacher_answers(prepared, run, replace(POOL, unlabelled=0, long=0), teacher, lambda done, _: None)
    assert len(fewer[1]) == len(fewer[0]) < len(texts)
    assert loaded == ["once"], "every text of the smaller pool was answered for the larger one"
    known = dict(zip(texts, logits, strict=True))
    np.testing.assert_array_equal(fewer[1], [known[text] for text in fewer[0]])

    recipe = distill.DistillConfig(
        start=str(start), shape=students.Shape(layers=(0, 3), hidden=16, heads=2), emoji_rows=5, loop=ROUNDED
    )
    out = tmp_path / "student/model"
    saved = distill.distill(prepared, tmp_path / "fit", out, recipe, POOL, texts, logits, record)
    assert saved["recipe"] == "distill"
    assert "unlabelled" in saved["sources"]
    assert saved["teacher"]["best"] == record["best"]
    model, tokenizer = encoder.load_classifier(out)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (2, 16)

    def rows(share: float) -> int:
        return len(distill.student_rows(prepared, tokenizer, texts, logits, replace(recipe, pool_share=share)).ids)

    authored = read_table(prepared, "authored", "train").num_rows
    assert rows(0) == 2 * authored + 5  # itself, a changed copy, emoji-only rows
    assert rows(0.5) - rows(0) == pytest.approx((rows(1) - rows(0)) / 2, abs=1)


def test_a_student_is_matched_to_a_wider_model(start: Path, prepared: Path, tmp_path: Path) -> None:
    narrow = replace(distill.DistillConfig(start=str(start)), shape=students.Shape(layers=(1, 3), hidden=16, heads=2))
    model, _ = encoder.load_classifier(start)
    text = (start / "tokenizer.json").read_text(encoding="utf-8")
    model, text = students.make_student(model, text, narrow.shape)
    encoder.save_classifier(model, text, tmp_path / "narrow", 32)
    shutil.copy(start / "training.json", tmp_path / "narrow")
    loop = replace(QUICK, epochs=12, learning_rate=5e-3)
    config = matching.MatchConfig(str(tmp_path / "narrow"), str(start), pool=POOL, loop=loop)
    record = matching.match(prepared, tmp_path / "fit", tmp_path / "student/model", config)
    assert record["recipe"] == "match"
    assert record["teacher"]["encoder"] == start.name
    assert record["started_from"]["recipe"] == "finetune"
    losses = [entry["loss"] for entry in record["result"]["history"]]
    assert losses[-1] < 0.8 * losses[0]
    matched, _ = encoder.load_classifier(tmp_path / "student/model")
    assert matched.config.hidden_size == 16

    (tmp_path / "narrow/tokenizer.json").write_text(students.cut_vocabulary(text, 40), encoding="utf-8")
    with pytest.raises(TrainingError, match="different vocabularies"):
        matching.match(prepared, tmp_path / "fit2", tmp_path / "other", config)


def test_the_mean_of_two_models(start: Path, prepared: Path, tmp_path: Path) -> None:
    other, _ = encoder.load_classifier(start)
    torch.nn.init.zeros_(other.classifier.weight)
    text = (start / "tokenizer.json").read_text(encoding="utf-8")
    encoder.save_classifier(other, text, tmp_path / "other", 32)
    shutil.copy(start / "training.json", tmp_path / "other")
    record = average.average(prepared, [start, tmp_path / "other"], [0.25, 0.75], tmp_path / "mean/model")
    assert record["config"]["shares"] == [0.25, 0.75]
    assert [record["started_from"]["recipe"], record["averaged_with"][0]["recipe"]] == ["finetune", "finetune"]
    mean, first = (encoder.load_classifier(folder)[0].state_dict() for folder in (tmp_path / "mean/model", start))
    torch.testing.assert_close(mean["classifier.weight"], first["classifier.weight"] / 4, atol=1e-3, rtol=1e-3)
    same = "bert.encoder.layer.0.output.dense.weight"
    torch.testing.assert_close(mean[same], first[same], atol=1e-3, rtol=1e-3)
    with pytest.raises(TrainingError, match="sum to 1"):
        average.average(prepared, [start, start], [0.5, 0.6], tmp_path / "x")
    students.keep_layers(other, (0, 1))
    encoder.save_classifier(other, text, tmp_path / "other", 32)
    with pytest.raises(TrainingError, match="another shape"):
        average.average(prepared, [start, tmp_path / "other"], [0.5, 0.5], tmp_path / "x")


def test_a_model_s_ancestors_are_recorded_once() -> None:
    first = {"recipe": "finetune", "commit": "a", "dev_macro_f1": 0.5}
    second = {"recipe": "distill", "commit": "b", "dev_macro_f1": 0.6, "started_from": first}
    third = {"recipe": "distill", "commit": "c", "dev_macro_f1": 0.7, "started_from": second}
    mean = {"recipe": "average", "commit": "d", "dev_macro_f1": 0.8, "started_from": third, "averaged_with": [second]}
    bare = {k: value for k, value in second.items() if k != "started_from"}
    found = without_repeats(mean)
    assert found == {**mean, "averaged_with": [bare]}
    assert [identity(one) for one in found["averaged_with"]] == [identity(second)]
    other = {**mean, "started_from": second, "averaged_with": [third]}
    assert without_repeats(other)["averaged_with"] == [{**third, "started_from": bare}]


def test_layers_are_followed_evenly() -> None:
    assert [matching.counterpart(i, 4, 6) for i in range(4)] == [1, 2, 3, 5]
    assert [matching.counterpart(i, 2, 4) for i in range(2)] == [1, 3]


def test_a_shipped_model_can_teach() -> None:
    classifier = EmotionClassifier("nano")
    texts = ["i love you", "leave me alone"]
    logits = assistant("nano")(texts)
    found = np.exp(logits / classifier.config.temperature)
    np.testing.assert_allclose(found, classifier.predict_proba(texts), atol=1e-6)
    record = distill.assistant_record("nano")
    assert record["encoder"] == classifier.config.name
    assert 0 < record["best"] < 1


def test_an_untrained_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="bert-emotion model teacher"):
        distill.read_teacher(tmp_path)


def test_people_s_own_labels_correct_the_teacher_on_public_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    neutral, sarcasm, happiness, confusion = map(LABELS.index, ("Neutral", "Sarcasm", "Happiness", "Confusion"))
    tables = {
        "goemotions": {
            "text": ["ty!", "at ten", "hm", "who?"],
            "label": [happiness, neutral, -1, confusion],
            "weight": [1.0, 1.0, 1.0, 0.5],
        },
        "isarcasmeval": {"text": ["meant so", "sure"], "label": [-1, sarcasm], "foreign": ["literal", "sarcastic"]},
    }
    none: dict[str, list[str]] = {"text": [], "label": [], "weight": [], "foreign": []}
    monkeypatch.setattr(distill, "read_table", lambda _, source, split: pa.table(tables.get(source, none)))
    texts = ["ty!", "at ten", "hm", "meant so", "sure", "in no source", "who?"]
    answers = np.full((len(texts), 13), 0.02, dtype=np.float32)
    answers[:, sarcasm] = 0.76
    found = distill.with_public_labels(Path("unused"), texts, answers, 0.6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert found[0, happiness] == pytest.approx(0.6 + 0.4 * 0.02)
    assert found[1, neutral] == pytest.approx(0.3 + 0.7 * 0.02), "half as much for Neutral"
    assert found[3, sarcasm] == pytest.approx(0.304 / 0.544)
    assert found[6, confusion] == pytest.approx(0.3 + 0.7 * 0.02), "half as much for a label that fits but half"
    for same in (2, 4, 5):
        np.testing.assert_array_equal(found[same], answers[same])


def test_a_pool_is_chosen_anew_when_the_data_changed(prepared: Path, tmp_path: Path) -> None:
    newer, run, asked = tmp_path / "newer", tmp_path / "teacher", []
    shutil.copytree(prepared, newer)

    def teacher():
        return lambda texts: asked.extend(texts) or np.tile(np.arange(13.0), (len(texts), 1))

    texts, _ = distill.teacher_answers(prepared, run, POOL, teacher, lambda *_: None)
    assert sorted(asked) == sorted(set(texts))
    file = newer / "authored.parquet"
    table = pq.read_table(file)
    row = {**table.to_pylist()[0], "text": "a row written since", "split": "train"}
    one_more = pa.Table.from_pylist([row], table.schema)
    pq.write_table(pa.concat_tables([table, one_more]), file)
    manifest = newer / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    asked.clear()
    since, answers = distill.teacher_answers(newer, run, POOL, teacher, lambda *_: None)
    assert "a row written since" in since
    assert sorted(asked) == sorted(set(since) - set(texts))
    assert answers.shape == (len(since), 13)
    asked.clear()
    assert distill.teacher_answers(prepared, run, POOL, teacher, lambda *_: None)[0] == texts
    assert asked == []


def test_a_student_of_equal_shape_answers_as_its_start(start: Path) -> None:
    model, tokenizer = encoder.load_classifier(start)
    ids = encoder.token_ids(tokenizer, ["i am sad", "the lonely table"])
    before = encoder.logits_of(model, ids, bf16=False)
    student, _ = students.make_student(
        model, (start / "tokenizer.json").read_text(), students.Shape(layers=(0, 1, 2, 3))
    )
    np.testing.assert_allclose(encoder.logits_of(student, ids, bf16=False), before, atol=1e-6)


def test_a_cut_vocabulary_still_reads_every_text(start: Path) -> None:
    content = (start / "tokenizer.json").read_text(encoding="utf-8")
    cut = Tokenizer.from_str(students.cut_vocabulary(content, 60))
    assert cut.get_vocab_size() == 60
    with pytest.raises(TrainingError, match="pieces asked for"):
        students.cut_vocabulary(content, 10_000)


def test_every_tier_starts_from_another_and_has_a_budget() -> None:
    assert list(LADDER) == ["base", "small", "mini", "nano"]
    assert all(tier.start in (*LADDER, "finetune") for tier in LADDER.values())
    assert [tier.budget_mb for tier in LADDER.values()] == [20, 12, 5, 2.5]


def test_rounding_is_that_of_eight_bits_and_lets_gradients_through() -> None:
    x = torch.randn(3, 5, 8, requires_grad=True)
    rounded = round_activations(x)
    step = (x.amax((1, 2)) - x.amin((1, 2))) / 255
    assert ((rounded - x).abs().amax((1, 2)) <= step / 2 + 1e-6).all()
    assert all(len(text.unique()) <= 256 for text in rounded)
    rounded.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_rounding_is_switched_on_once(start: Path) -> None:
    model, tokenizer = encoder.load_classifier(start)
    ids = encoder.token_ids(tokenizer, ["i am sad"])
    before = encoder.logits_of(model, ids, bf16=False)
    rounding = ActivationRounding(model)
    rounding.enable()
    once = encoder.logits_of(model, ids, bf16=False)
    rounding.enable()
    np.testing.assert_array_equal(encoder.logits_of(model, ids, bf16=False), once)
    assert 0 < np.abs(once - before).max() < 0.1


def test_variants_change_the_typing_and_keep_the_words() -> None:
    rng = random.Random(1)
    text = "I really wanted that holiday, honestly."
    copies = {augment.variant(text, 11, rng) for _ in range(60)}
    assert len(copies) > 15
    assert all(abs(len(copy) - len(text)) < 8 for copy in copies)
    assert augment.with_emoji(text, 6, rng) == text
    assert augment.typo("a b c", rng) == "a b c"
    assert all(LABELS[label] != "Neutral" for _, label in augment.emoji_only(rng, 50))


def test_emoji_are_spelt_for_the_teacher() -> None:
    assert spell_emoji("no 😭") == "no  loudly crying face "


def test_robustness_counts_changed_texts_only() -> None:
    def constant(texts: list[str]) -> np.ndarray:
        return np.tile(np.eye(13)[0], (len(texts), 1))

    figures = robustness(constant, ["so sad today 😭", "OK"])
    assert set(figures) == set(PERTURBATIONS)
    assert figures["emoji removed"] == {"texts": 1, "unchanged_answers": 1.0}
    assert all(0 <= f["unchanged_answers"] <= 1 for f in figures.values())


def test_a_benchmark_is_trained_chosen_and_scored(toy: Path, prepared: Path, tmp_path: Path, monkeypatch) -> None:
    task = benchmarks.Task("dair_emotion", ("joy", "anger"), False, "accuracy", {})
    many = benchmarks.Task("goemotions", ("joy", "anger"), True, "macro_f1_tuned", {})
    monkeypatch.setattr(benchmarks, "TASKS", {"one": task, "many": many})
    monkeypatch.setattr(benchmarks, "PRESETS", {"default": QUICK})
    result = benchmarks.run_benchmark("one", str(toy), prepared, tmp_path / "a")
    assert {"loss", "accuracy", "macro_f1", "weighted_f1"} == set(result["test"])
    assert [row["step"] for row in result["table"]]
    assert result["shipped"] is False
    for key, (low, high) in result["test_interval"].items():
        assert low <= result["test"][key] <= high
    both = benchmarks.run_benchmark("many", str(toy), prepared, tmp_path / "b", seed=7)
    assert set(both["test"]) == {"macro_f1_at_0.5", "macro_f1_tuned"}
    out = tmp_path / "results"
    assert json.loads(benchmarks.save_result(both, out).read_text(encoding="utf-8"))["seed"] == 7
    benchmarks.save_result(both | {"seed": 8, "test": dict.fromkeys(both["test"], 0.5)}, out)
    benchmarks.write_table(out)
    table = (out / "README.md").read_text(encoding="utf-8")
    mean = (both["test"]["macro_f1_tuned"] + 0.5) / 2
    assert f"macro f1 tuned {mean:.4f} ± " in table
    assert "| 7, 8 |" in table
    with pytest.raises(TrainingError, match="no task 'x'"):
        benchmarks.run_benchmark("x", str(toy), prepared, tmp_path / "c")


def test_multi_label_figures_by_hand() -> None:
    p = np.array([[0.9, 0.2], [0.6, 0.3], [0.1, 0.4]])
    truth = np.array([[1, 0], [0, 0], [0, 1]], dtype=np.float32)
    assert benchmarks.multi_label_f1(p, truth) == pytest.approx([2 / 3, 0])
    thresholds = benchmarks.tune_thresholds(p, truth)
    assert benchmarks.multi_label_f1(p, truth, thresholds) == pytest.approx([1, 1])
