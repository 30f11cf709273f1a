"""Whether two kinds of answers can be told apart by the time they take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def told_apart(ones: Sequence[float], others: Sequence[float]) -> float:
    """How often one of `ones` takes longer than one of `others`: 0.5 when nothing can be learned.

    That is Mann and Whitney's U over the number of pairs. It looks at ranks only, so that a few
    answers on a busy machine, however late, change little.
    """
    ranks = np.argsort(np.argsort(np.concatenate([ones, others]))) + 1
    above = ranks[: len(ones)].sum() - len(ones) * (len(ones) + 1) / 2
    return float(above / (len(ones) * len(others)))
