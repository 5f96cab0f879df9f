from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from bert_emotion import EmotionClassifier, InputError
from bert_emotion.documents import windows
from bert_emotion.labels import EMOJI, LABELS

from .conftest import FAKE


def test_text_gives_one_pipeline_dict(fake: EmotionClassifier) -> None:
    [answer] = fake("i love you")
    assert answer["label"] == "Love"
    assert 0.8 < answer["score"] < 0.9
    assert set(answer) == {"label", "score"}


def test_list_gives_one_dict_a_text(fake: EmotionClassifier) -> None:
    assert [a["label"] for a in fake(["i love you", "so sad", "i want it"])] == ["Love", "Sadness", "Desire"]
    assert fake([]) == []


def test_top_k_none_gives_all_labels_sorted(fake: EmotionClassifier) -> None:
    answer = fake("happy happy sad", top_k=None)
    assert [a["label"] for a in answer[:2]] == ["Happiness", "Sadness"]
    assert len(answer) == 13
    scores = [a["score"] for a in answer]
    assert scores == sorted(scores, reverse=True)


def test_top_k_on_a_list_gives_lists(fake: EmotionClassifier) -> None:
    answer = fake(["happy happy sad", "love"], top_k=2)
    assert next([a["label"] for a in row] for row in answer) == ["Happiness", "Sadness"]
    assert [len(row) for row in answer] == [2, 2]
    assert [len(row) for row in fake(["love"], top_k=1)] == [1]


def test_generator_is_answered_as_a_stream(fake: EmotionClassifier) -> None:
    taken = []

    def texts():
        for text in ("love", "sad", "happy"):
            taken.append(text)
            yield text

    stream = fake(texts(), batch_size=1)
    assert next(stream)["label"] == "Love"
    assert taken == ["love"]
    assert [a["label"] for a in stream] == ["Sadness", "Happiness"]


def test_prediction_is_complete_frozen_and_plain(fake: EmotionClassifier) -> None:
    [prediction] = fake.predict(["i love you"])
    assert prediction.emoji == EMOJI["Love"]
    assert tuple(prediction.scores) == LABELS
    assert prediction.raw_label == "Love"
    assert prediction.reason is None
    assert json.loads(json.dumps(prediction.asdict()))["scores"]["Love"] == prediction.score
    with pytest.raises(FrozenInstanceError):
        prediction.label = "Anger"  # type: ignore[misc]


def test_a_single_str_is_one_text(fake: EmotionClassifier) -> None:
    assert len(fake.predict("love")) == 1
    assert fake.predict_proba("love").shape == (1, 13)
    assert fake.predict_proba([]).shape == (0, 13)


def test_same_scores_alone_and_in_any_batch_and_on_any_thread(fake: EmotionClassifier) -> None:
    texts = ["love", "sad " * 40, "i want it so much.", "happy", "", "guilty and sad"] * 5
    together = fake.predict_proba(texts)
    alone = np.concatenate([fake.predict_proba(text) for text in texts])
    threaded = EmotionClassifier(FAKE, threads=3).predict_proba(texts)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, threaded)


def test_low_confidence_keeps_the_best_guess(fake: EmotionClassifier) -> None:
    [prediction] = fake.predict(["happy sad love"])
    assert prediction.reason == "low_confidence"
    assert prediction.label == prediction.raw_label
    assert prediction.label in ("Happiness", "Sadness", "Love")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00\x07", "\u200b\u200d", "\ufeff"])
def test_nothing_to_read_is_neutral_and_says_so(fake: EmotionClassifier, text: str) -> None:
    [prediction] = fake.predict([text])
    assert (prediction.label, prediction.reason) == ("Neutral", "empty")
    assert sum(prediction.scores.values()) == pytest.approx(1)


def test_another_script_is_unreadable(fake: EmotionClassifier) -> None:
    [prediction] = fake.predict(["Я тебя очень люблю"])
    assert (prediction.label, prediction.reason) == ("Neutral", "unreadable")


@pytest.mark.parametrize("text", ["love \ud800", "\udfff love", "love \ud83d\ude22", "love\x00\x1b[31m", "LOVE"])
def test_broken_characters_do_not_hide_the_rest(fake: EmotionClassifier, text: str) -> None:
    assert fake.predict([text])[0].scores["Love"] > 0.4


@pytest.mark.parametrize("bad", [None, 3, b"love", ["love"]])
def test_an_item_that_is_no_text_is_named(fake: EmotionClassifier, bad: object) -> None:
    with pytest.raises(InputError, match=r"text 1 is .*expected str"):
        fake.predict(["love", bad])  # type: ignore[list-item]


def test_wrong_arguments_are_named(fake: EmotionClassifier) -> None:
    with pytest.raises(InputError, match="top_k is 0"):
        fake("love", top_k=0)
    with pytest.raises(InputError, match="threads is 0"):
        EmotionClassifier(FAKE, threads=0)
    with pytest.raises(InputError, match="batch_size is 0"):
        fake(["love"], batch_size=0)


def test_windows_leave_nothing_out_and_cut_at_sentences(fake: EmotionClassifier) -> None:
    tokens = fake._tokenizer.encode("i am here. " * 30 + "the end")
    parts = windows(tokens, 14)
    assert [i for part in parts for i in part] == tokens.ids
    assert max(map(len, parts)) <= 14
    stop = fake._tokenizer.encode(".").ids[0]
    assert all(part[-1] == stop for part in parts[:-1])


def test_windows_cut_a_sentence_without_end(fake: EmotionClassifier) -> None:
    tokens = fake._tokenizer.encode("a " * 101)
    parts = windows(tokens, 10)
    assert [i for part in parts for i in part] == tokens.ids
    assert max(map(len, parts)) <= 10


def test_the_emotion_at_the_end_of_a_long_text_is_read(fake: EmotionClassifier) -> None:
    plain = "we met at ten and went home at six. " * 20
    [prediction] = fake.predict([plain + "i am so scared, scared, scared."])
    assert prediction.label == "Fear"


def test_a_megabyte_is_read(fake: EmotionClassifier) -> None:
    [prediction] = fake.predict(["i love this. " * 80_000])
    assert prediction.label == "Love"
    assert fake.predict(["a" * 1_000_000])[0].reason is not None
