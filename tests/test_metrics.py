from __future__ import annotations

import numpy as np
import pytest

from bert_emotion.evaluation import metrics

TRUTH = np.array([0, 0, 1, 1, 2])
GUESS = np.array([0, 1, 1, 1, 0])


def test_f1_by_hand() -> None:
    assert metrics.f1_per_label(TRUTH, GUESS, 3) == pytest.approx([0.5, 0.8, 0.0])
    assert metrics.macro_f1(TRUTH, GUESS, 3) == pytest.approx(1.3 / 3)
    assert metrics.macro_f1(TRUTH, GUESS, 3, [0, 1]) == pytest.approx(0.65)
    assert metrics.accuracy(TRUTH, GUESS) == pytest.approx(0.6)
    assert metrics.confusion_matrix(TRUTH, GUESS, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    # the two at 0.9 are half right, the one at 0.6 is right
    assert metrics.calibration_error(p, np.array([0, 1, 0])) == pytest.approx(2 / 3 * 0.4 + 1 / 3 * 0.4)


def test_temperature_finds_the_scale_of_overconfident_logits() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 13)) * 2
    truth = np.array([rng.choice(13, p=p) for p in metrics.softmax(honest)])
    found = metrics.fit_temperature(honest * 3, truth)
    assert found == pytest.approx(3, abs=0.25)
    confidence = metrics.softmax(honest * 3, found).max(axis=1).mean()
    assert confidence == pytest.approx(metrics.accuracy(truth, honest.argmax(axis=1)), abs=1e-3)


def test_temperature_stays_in_its_range_where_all_or_nothing_is_right() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 13))
    assert metrics.fit_temperature(logits, logits.argmax(axis=1)) == pytest.approx(0.2, abs=1e-3)
    assert metrics.fit_temperature(logits, logits.argmin(axis=1)) == pytest.approx(5, abs=1e-3)


def test_threshold_keeps_what_is_right() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    assert metrics.fit_threshold(p, np.array([0, 0, 1, 1]), 0.95) == (0.8, 0.5)
    assert metrics.fit_threshold(p, np.array([0, 0, 0, 0]), 0.95) == (0.6, 1.0)


def test_bootstrap_interval_holds_the_score() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 500)
    guess = np.where(rng.random(500) < 0.8, truth, (truth + 1) % 3)
    low, high = metrics.bootstrap_interval(truth, guess, 3, rounds=200)["accuracy"]
    assert low < metrics.accuracy(truth, guess) < high
    assert high - low < 0.1
