"""The acoustic model: a small time-delay network trained with CTC."""

# mypy: disable-error-code="import-not-found,misc"

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from centralita.asr.mini.corpus import Example
from centralita.asr.mini.features import DIMENSION
from centralita.asr.mini.lexicon import BLANK

WIDTH = 160
LAYERS = 5
SUBSAMPLING = 3
CONTEXT = 14
"""Frames that the network sees on either side of the one it judges."""


class Network(nn.Module):
    """Five convolutions over time; the first keeps every third frame (30 ms)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        first = nn.Conv1d(DIMENSION, WIDTH, 5, stride=SUBSAMPLING)
        self.layers = nn.ModuleList(
            [first, *(nn.Conv1d(WIDTH, WIDTH, 3) for _ in range(LAYERS - 1))]
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(LAYERS))
        self.output = nn.Conv1d(WIDTH, classes, 1)
        self.dropout = nn.Dropout(0.05)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            frames = self.dropout(norm(torch.relu(layer(frames))))
        return torch.log_softmax(self.output(frames), 1)


@dataclass(frozen=True, slots=True)
class Trained:
    """The weights, and the statistics by which its input was normalised."""

    weights: dict[str, npt.NDArray[np.float64]]
    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


def train(examples: list[Example], classes: int, *, epochs: int, seed: int) -> Trained:
    """Fit a network to the examples, in batches of similar length. Prints a line an epoch."""
    torch.set_num_threads(2)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    sample = np.concatenate([example.frames for example in examples[::10]])
    mean, deviation = sample.mean(0), sample.std(0)
    usable = [(_prepared(e, mean, deviation), e) for e in examples if _fits(e)]
    usable.sort(key=lambda pair: len(pair[1].frames))
    batches = [usable[start : start + 24] for start in range(0, len(usable), 24)]

    network = Network(classes)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 4e-3, total_steps=epochs * len(batches), pct_start=0.15
    )
    loss_of = nn.CTCLoss(blank=BLANK, zero_infinity=True)
    began = time.monotonic()
    for epoch in range(epochs):
        rng.shuffle(batches)
        total = 0.0
        for batch in batches:
            outputs = network(_stack(batch, rng)).permute(2, 0, 1)
            lengths = torch.tensor([_output_length(e) for _, e in batch])
            loss = loss_of(
                outputs,
                torch.tensor([c for _, e in batch for c in e.classes]),
                lengths.clamp(max=outputs.shape[0]),
                torch.tensor([len(e.classes) for _, e in batch]),
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5)
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds = time.monotonic() - began
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / len(batches):.3f}, {seconds:.0f} s",
            flush=True,
        )
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    return Trained(weights, mean.astype(np.float64), deviation.astype(np.float64))


def _output_length(example: Example) -> int:
    return (len(example.frames) + SUBSAMPLING - 1) // SUBSAMPLING


def _fits(example: Example) -> bool:
    """CTC needs a frame for each phone and a blank between equal ones."""
    repeats = sum(a == b for a, b in pairwise(example.classes))
    return _output_length(example) > len(example.classes) * 1.2 + repeats


def _prepared(
    example: Example, mean: npt.NDArray[np.float32], deviation: npt.NDArray[np.float32]
) -> torch.Tensor:
    padded = np.pad(example.frames, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
    return torch.from_numpy(((padded - mean) / deviation).T.copy())


def _stack(batch: list[tuple[torch.Tensor, Example]], rng: random.Random) -> torch.Tensor:
    """A batch of equal length; in half of the examples a band of coefficients is hidden."""
    longest = max(frames.shape[1] for frames, _ in batch)
    stacked = torch.zeros(len(batch), DIMENSION, longest)
    for row, (frames, _) in enumerate(batch):
        stacked[row, :, : frames.shape[1]] = frames
        stacked[row, :, frames.shape[1] :] = frames[:, -1:]
        if rng.random() < 0.5:
            low = rng.randint(0, DIMENSION - 4)
            stacked[row, low : low + rng.randint(0, 5)] = 0
        if rng.random() < 0.3:
            low = rng.randint(0, longest - 10)
            stacked[row, :, low : low + rng.randint(0, 6)] = 0
    return stacked
