"""The trained network and the word graphs in the files that Vosk reads.

Vosk expects Kaldi's chain models. A CTC network passes for one: each class is a phone with a
single state, the blank is the phone `SIL`, and frames are subsampled by three.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from centralita.asr.mini.features import DIMENSION, MFCC_CONF
from centralita.asr.mini.lexicon import BLANK, Lexicon
from centralita.asr.mini.train import CONTEXT, LAYERS, SUBSAMPLING, Trained

Matrix = npt.NDArray[np.float64]

MODEL_CONF = f"""--min-active=200
--max-active=3000
--beam=14.0
--lattice-beam=6.0
--acoustic-scale=1.0
--frame-subsampling-factor={SUBSAMPLING}
--endpoint.silence-phones=1
--endpoint.rule1.min-trailing-silence=5.0
--endpoint.rule2.min-trailing-silence=0.6
--endpoint.rule3.min-trailing-silence=0.8
--endpoint.rule4.min-trailing-silence=1.2
"""

# The layers' taps, in frames of the input and then of the subsampled output.
_TAPS = ((-2, -1, 0, 1, 2), *((-SUBSAMPLING, 0, SUBSAMPLING) for _ in range(LAYERS - 1)))


def write_acoustic_model(folder: Path, trained: Trained, lexicon: Lexicon) -> None:
    """Write `am/final.mdl`, `conf/` and `graph/phones.txt`."""
    for name in ("am", "conf", "graph"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    classes = len(lexicon.phones) + 1
    (folder / "am/final.mdl").write_text(
        _transition_model(classes) + _network(trained), encoding="ascii"
    )
    (folder / "conf/mfcc.conf").write_text(MFCC_CONF)
    (folder / "conf/model.conf").write_text(MODEL_CONF)
    numbered = ["<eps> 0", "SIL 1", *(f"{p} {lexicon.number(p) + 1}" for p in lexicon.phones)]
    (folder / "graph/phones.txt").write_text("\n".join(numbered) + "\n", encoding="utf-8")


def enter(phone_class: int) -> int:
    """Kaldi's transition id of the first frame of a phone."""
    return 2 * phone_class + 2


def stay(phone_class: int) -> int:
    """Kaldi's transition id of each further frame of a phone."""
    return 2 * phone_class + 1


def _transition_model(classes: int) -> str:
    phones = " ".join(str(number) for number in range(1, classes + 1))
    triples = "".join(f"{number + 1} 0 {number} \n" for number in range(classes))
    half = " ".join(["-0.6931472"] * (2 * classes))
    return (
        "<TransitionModel> \n<Topology> \n<TopologyEntry> \n"
        f"<ForPhones> \n{phones} \n</ForPhones> \n"
        "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State> \n"
        "<State> 1 </State> \n</TopologyEntry> \n</Topology> \n"
        f"<Triples> {classes} \n{triples}</Triples> \n"
        f"<LogProbs> \n [ 0 {half} ]\n</LogProbs> \n</TransitionModel> \n"
    )


def _network(trained: Trained) -> str:
    nodes = [f"input-node name=input dim={DIMENSION}"]
    components = []
    source = "input"
    affine = _affine_layers(trained)
    for number, (weights, bias) in enumerate(affine[:-1]):
        taps = ", ".join(f"Offset({source}, {k})" if k else source for k in _TAPS[number])
        nodes.append(
            f"component-node name=t{number}.affine component=t{number}.affine input=Append({taps})"
        )
        nodes.append(
            f"component-node name=t{number}.relu component=t{number}.relu input=t{number}.affine"
        )
        source = f"t{number}.relu"
        components.append(_affine(f"t{number}.affine", weights, bias))
        components.append(
            f"<ComponentName> {source} <RectifiedLinearComponent> <Dim> {len(bias)} "
            "<ValueAvg>  [ ]\n<DerivAvg>  [ ]\n<Count> 0 <NumDimsSelfRepaired> 0 "
            "<NumDimsProcessed> 0 <SelfRepairScale> 0 </RectifiedLinearComponent> "
        )
    weights, bias = affine[-1]
    nodes.append(f"component-node name=o.affine component=o.affine input={source}")
    nodes.append("component-node name=o.ls component=o.ls input=o.affine")
    nodes.append("output-node name=output input=o.ls objective=linear")
    components.append(_affine("o.affine", weights, bias))
    components.append(
        f"<ComponentName> o.ls <LogSoftmaxComponent> <Dim> {len(bias)} "
        "<ValueAvg>  [ ]\n<DerivAvg>  [ ]\n<Count> 0 <NumDimsSelfRepaired> 0 "
        "<NumDimsProcessed> 0 <SelfRepairScale> 0 </LogSoftmaxComponent> "
    )
    return (
        "<Nnet3> \n"
        + "\n".join(nodes)
        + f"\n\n<NumComponents> {len(components)} \n"
        + "\n".join(components)
        + f"\n</Nnet3> <LeftContext> {CONTEXT} <RightContext> {CONTEXT} <Priors>  [ ]\n"
    )


def _affine_layers(trained: Trained) -> list[tuple[Matrix, Matrix]]:
    """The convolutions as matrices, each with the normalisation before it folded in."""
    weights = trained.weights
    scale, shift = 1 / trained.deviation, -trained.mean / trained.deviation
    layers = []
    for number in range(LAYERS):
        kernel = weights[f"layers.{number}.weight"]  # out, in, tap
        bias = weights[f"layers.{number}.bias"] + (kernel * shift[None, :, None]).sum((1, 2))
        kernel = kernel * scale[None, :, None]
        taps = [kernel[:, :, tap] for tap in range(kernel.shape[2])]
        layers.append((np.concatenate(taps, axis=1), bias))
        gain, offset, mean, variance = (
            weights[f"norms.{number}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + 1e-5)
        shift = offset - mean * scale
    last = weights["output.weight"][:, :, 0]
    bias = weights["output.bias"] + (last * shift[None]).sum(1)
    layers.append((last * scale[None], bias))
    return layers


def _affine(name: str, weights: Matrix, bias: Matrix) -> str:
    rows = "\n".join("  " + " ".join(f"{value:.4g}" for value in row) for row in weights)
    offsets = " ".join(f"{value:.4g}" for value in bias)
    return (
        f"<ComponentName> {name} <FixedAffineComponent> <LinearParams>  [\n{rows} ]\n"
        f"<BiasParams>  [ {offsets} ]\n</FixedAffineComponent> "
    )


assert BLANK == 0, "the transition model above makes the first phone the silence"
