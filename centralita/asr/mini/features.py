"""MFCC exactly as Vosk will compute them."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import kaldi_native_fbank as knf
import numpy as np
import numpy.typing as npt

from centralita.asr.mini.synth import RATE, Samples

DIMENSION = 40

# The same settings as `_options()`, for conf/mfcc.conf of the model.
MFCC_CONF = f"""--sample-frequency={RATE}
--use-energy=false
--num-mel-bins={DIMENSION}
--num-ceps={DIMENSION}
--low-freq=40
--high-freq=3800
--allow-downsample=true
"""


def _options() -> knf.MfccOptions:
    options = knf.MfccOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = True
    options.use_energy = False
    options.num_ceps = DIMENSION
    options.mel_opts.num_bins = DIMENSION
    options.mel_opts.low_freq = 40
    options.mel_opts.high_freq = 3800
    return options


def mfcc(samples: Samples) -> npt.NDArray[np.float32]:
    """One row for each 10 ms."""
    extractor = knf.OnlineMfcc(_options())
    extractor.accept_waveform(RATE, (samples * 32768).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]
    return np.stack(frames).astype(np.float32)
