"""Makes the models from nothing: `python -m centralita.asr.mini.build --fsdd FOLDER`.

Needs requirements.txt of this folder, espeak-ng and libfst-tools. Seeded: the same versions on
the same machine give the same words right. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import pickle
import time
from pathlib import Path

from centralita.asr.mini import corpus
from centralita.asr.mini.export import write_acoustic_model
from centralita.asr.mini.graph import write_graph
from centralita.asr.mini.lexicon import make_lexicon
from centralita.asr.mini.synth import training_sayings
from centralita.asr.mini.train import Trained, train
from centralita.asr.mini.words import WORDS

MODELS = Path(__file__).parent / "models"


def main() -> None:
    """Synthesise, train, export."""
    parser = argparse.ArgumentParser(
        prog="python -m centralita.asr.mini.build", description=__doc__
    )
    parser.add_argument("--fsdd", type=Path, required=True, help="Free Spoken Digit Dataset")
    parser.add_argument("--out", type=Path, default=MODELS)
    parser.add_argument("--sayings", type=int, default=5000, help="synthetic ones, both languages")
    parser.add_argument("--digits", type=int, default=4500, help="sequences of real digits")
    parser.add_argument("--epochs", type=int, default=11)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--weights", type=Path, help="keep or reuse the trained weights here")
    options = parser.parse_args()

    lexicon = make_lexicon()
    if options.weights is not None and options.weights.exists():
        trained: Trained = pickle.loads(options.weights.read_bytes())
    else:
        trained = _train(options)
        if options.weights is not None:
            options.weights.write_bytes(pickle.dumps(trained))
    for language in WORDS:
        write_acoustic_model(options.out / language, trained, lexicon)
        write_graph(options.out / language, language, lexicon)
    lexicon.save(options.out / "lexicon.json")
    print(f"wrote {options.out}")


def _train(options: argparse.Namespace) -> Trained:
    lexicon = make_lexicon()
    began = time.monotonic()
    sayings = training_sayings(options.sayings, options.seed)
    examples = list(corpus.synthetic(sayings, lexicon, options.seed))
    examples += corpus.real(options.fsdd, options.digits, lexicon, options.seed)
    examples += corpus.silence(200, options.seed)
    hours = sum(len(example.frames) for example in examples) / 360_000
    seconds = time.monotonic() - began
    print(f"{len(examples)} examples, {hours:.1f} h, made in {seconds:.0f} s", flush=True)
    return train(examples, len(lexicon.phones) + 1, epochs=options.epochs, seed=options.seed)


if __name__ == "__main__":
    main()
