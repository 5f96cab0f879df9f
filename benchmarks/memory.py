"""Where the memory of one answer goes: resident size after each step of a fresh process, in MiB.

Run: ``python benchmarks/memory.py [MODEL]``
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def resident() -> float:
    """Resident size of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    """Print one line a step."""
    steps = [("python", resident())]
    import numpy  # noqa: F401

    steps.append(("numpy", resident()))
    import tokenizers  # noqa: F401

    steps.append(("tokenizers", resident()))
    import onnxruntime  # noqa: F401

    steps.append(("onnxruntime", resident()))
    from bert_emotion import artifact
    from bert_emotion.classifier import EmotionClassifier, OnnxEngine
    from bert_emotion.tokenizer import TextTokenizer

    steps.append(("bert_emotion", resident()))
    model = sys.argv[1] if len(sys.argv) > 1 else None
    config = artifact.load_config(model)
    kept = [TextTokenizer(config.tokenizer_path)]
    steps.append(("tokenizer.json", resident()))
    engine = OnnxEngine(config.network_path)
    steps.append(("session", resident()))
    EmotionClassifier(model, engine=engine)("i love you")
    steps.append(("first answer", resident()))
    print("| step | MiB | more |\n|---|---|---|")
    before = 0.0
    for name, now in steps:
        print(f"| {name} | {now:.0f} | {now - before:+.0f} |")
        before = now
    assert kept


if __name__ == "__main__":
    main()
