"""Recognition by Vosk in worker processes of its own; nobody else imports vosk.

A bad grammar or a broken model can abort the native library: that must cost one question, not a
call, so the library never lives in the process that serves the calls.
"""

from centralita.asr.vosk.models import ModelInfo, get_model, list_models, resolve_models
from centralita.asr.vosk.pool import PoolSettings, VoskPool, WorkerStatus

__all__ = [
    "ModelInfo",
    "PoolSettings",
    "VoskPool",
    "WorkerStatus",
    "get_model",
    "list_models",
    "resolve_models",
]
