"""What the process of one contender runs: load, answer, be measured. Started by ``compare.compare``.

Usage: ``python -m bert_emotion.evaluation.compare_child JOB`` where JOB is a JSON file with ``spec``, ``texts``,
``tfidf`` (path or null) and ``out``, the folder for ``result.json`` and ``scores.npy``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.errors import BertEmotionError
from bert_emotion.evaluation.bench_child import peak_mib
from bert_emotion.evaluation.contenders import facts_json, open_contender
from bert_emotion.evaluation.timing import latency


def run(job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Do the job; returns facts and measurements, or the reason why there are none."""
    started = time.perf_counter()
    try:
        contender = open_contender(job["spec"], tfidf=Path(job["tfidf"]) if job["tfidf"] else None)
    except (BertEmotionError, MemoryError) as error:
        return {"reason": str(error) or "out of memory"}
    texts = job["texts"]
    contender.scores(texts[:1])
    figures: dict[str, Any] = {"first_answer_s": time.perf_counter() - started}
    figures |= latency(contender.scores, texts)
    started = time.perf_counter()
    scores = contender.scores(texts)
    figures["texts_per_s"] = len(texts) / (time.perf_counter() - started)
    figures["peak_mib"] = peak_mib()
    np.save(out / "scores.npy", scores)
    return {"facts": facts_json(contender.facts), "figures": figures}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    wanted = json.loads(place.read_text(encoding="utf-8"))
    result = run(wanted, Path(wanted["out"]))
    (Path(wanted["out"]) / "result.json").write_text(json.dumps(result), encoding="utf-8")
