"""The shipped model gives the answers it gave when it was packaged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bert_emotion import EmotionClassifier, artifact
from bert_emotion.evaluation.examples import run_examples

from .make_golden import TEXTS, golden_path

# int8 kernels round differently on other processors: scores may move a little, and so may close calls
SCORE_TOLERANCE = 0.1
ROOT = Path(__file__).parents[1]


def test_golden_answers(shipped: EmotionClassifier) -> None:
    golden = json.loads(golden_path(shipped.config.name).read_text(encoding="utf-8"))
    assert [item["text"] for item in golden] == list(TEXTS)
    for item, prediction in zip(golden, shipped.predict(TEXTS), strict=True):
        assert prediction.scores[item["label"]] == pytest.approx(item["score"], abs=SCORE_TOLERANCE), item
        if item["score"] > 0.5 + SCORE_TOLERANCE:
            assert prediction.label == item["label"]


def test_examples_are_as_the_manifest_says(shipped: EmotionClassifier) -> None:
    passed = sum(result.passed for result in run_examples(shipped))
    assert passed == artifact.read_manifest(shipped.config.folder)["examples_passed"]


@pytest.mark.parametrize("text", ["😭😭😭", "😭", "❤️❤️", "😡", "🤢", "😂😂😂", "😱", "I 😍 it"])
def test_emoji_reach_the_model(shipped: EmotionClassifier, text: str) -> None:
    assert shipped.predict([text])[0].label != "Neutral"


def test_case_and_elongation_do_not_change_a_clear_answer(shipped: EmotionClassifier) -> None:
    labels = {p.label for p in shipped.predict(["i love you", "I LOVE YOU", "i loooove youuuu!!!!", "i love you so"])}
    assert labels == {"Love"}


def test_ten_thousand_words_are_read(shipped: EmotionClassifier) -> None:
    text = "I was so scared last night, my heart would not stop racing. " * 800
    [prediction] = shipped.predict([text])
    assert prediction.label == "Fear"


def test_same_scores_in_any_company(shipped: EmotionClassifier) -> None:
    together = shipped.predict_proba(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        assert abs(shipped.predict_proba(text)[0] - row).max() < 1e-3


def test_generated_lines_of_the_readme_are_those_of_the_manifest() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_manifest_carries_what_it_promises() -> None:
    manifest = artifact.read_manifest(artifact.SHIPPED / artifact.DEFAULT_MODEL)
    assert re.fullmatch(r"[0-9a-f]{64}", manifest["data_manifest_sha256"])
    assert {"authored"} <= set(manifest["sources"])
    assert not {"dair_emotion", "tweeteval_emotion"} & set(manifest["sources"])
    assert manifest["parity"]["fp32_max_difference"] < 1e-4
    assert manifest["parity"]["fp32_macro_f1"] - manifest["parity"]["int8_macro_f1"] <= 0.01


def test_known_mistakes_are_told_honestly(shipped: EmotionClassifier) -> None:
    known = json.loads((Path(__file__).with_name("known_mistakes.json")).read_text(encoding="utf-8"))
    for item in known["fixed"]:
        assert shipped.predict([item["text"]])[0].label == item["label"], f"{item} is wrong again"
    for item in known["open"]:
        assert shipped.predict([item["text"]])[0].label != item["label"], f"{item} is right now: move it to fixed"
