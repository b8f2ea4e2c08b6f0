"""Models on disk: found, proven by their hash, opened with the settings that suit a small computer."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from agent.errors import ModelError
from agent.vision.form import DetectorForm

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MANIFEST: Final = "manifest.json"
# Best first (architecture, settings); what is missing in this build of ONNX Runtime is passed over.
_PROVIDERS: Final = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")

Tensor = npt.NDArray[np.generic]


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model of the manifest. `file` lies beside it; `input` says in words what it is fed, `form` to a program where
    the model is a user's own detector."""

    id: str
    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+$")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    kind: Literal["motion", "nanodet", "ssd", "yolox", "yolov8", "fire", "faces"]
    licence: str
    input: str
    source: str
    card: str = ""
    form: DetectorForm | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    models: list[ModelEntry]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What `info` and events say of a model. `provider` is the one ONNX Runtime chose."""

    id: str
    sha256: str
    provider: str

    @property
    def name(self) -> str:
        """`nanodet-g-416@4e2238d6634d`: enough of the hash to tell two versions apart."""
        return f"{self.id}@{self.sha256[:12]}"


class Session:
    """One opened model. `run` may be called from several threads (ONNX Runtime sessions are thread-safe)."""

    def __init__(self, facts: ModelFacts, session: InferenceSession) -> None:
        self.facts = facts
        self._session = session
        self.inputs: tuple[str, ...] = tuple(one.name for one in session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(output.name for output in session.get_outputs())

    def run(self, inputs: Mapping[str, Tensor]) -> list[npt.NDArray[np.float32]]:
        """Outputs in the model's order. Raises ModelError when the inputs do not fit or the provider fails."""
        try:
            outputs: list[npt.NDArray[np.float32]] = self._session.run(None, dict(inputs))
        except _runtime_faults() as exc:
            raise ModelError(model=self.facts.id, remedy=f"ONNX Runtime failed: {exc}") from exc
        return outputs


class ModelStore:
    """The models of one folder. Reads the manifest once; raises ModelError with what to do."""

    def __init__(self, models_dir: Path, *, threads: int) -> None:
        self._dir = models_dir
        self._threads = threads
        self._manifest = _read_manifest(models_dir)

    def find(self, model_id: str, kind: str) -> ModelEntry | None:
        same = (entry for entry in self._manifest.models if entry.id == model_id and entry.kind == kind)
        return next(same, None)

    def entry(self, model_id: str, kind: str) -> ModelEntry:
        """Raises ModelError when the manifest has no model of this id and kind."""
        found = self.find(model_id, kind)
        if found is not None:
            return found
        there = ", ".join(entry.id for entry in self._manifest.models if entry.kind == kind)
        raise ModelError(model=model_id, remedy=f"the {kind} models in {self._dir} are: {there or 'none'}")

    def verify(self, entry: ModelEntry) -> bytes:
        """The model's bytes, proven by their SHA-256. Raises ModelError."""
        path = self._dir / entry.file
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise ModelError(model=entry.id, file=str(path), remedy="it is missing; install the models again") from exc
        found = hashlib.sha256(content).hexdigest()
        if found != entry.sha256:
            raise ModelError(
                model=entry.id,
                file=str(path),
                expected=entry.sha256,
                found=found,
                remedy="the file is damaged or was swapped; install the models again",
            )
        return content

    def open(self, entry: ModelEntry) -> Session:
        """A session on the best provider there is. Raises ModelError."""
        content = self.verify(entry)
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Spinning threads cost 1.46 s of CPU instead of 0.38 s for the same 40 inferences (architecture, settings).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A pattern lays the tensors of a run apart; without it, and in the order of the file, what was just let go is
        # used again while it is still in the cache. Motion beside other work takes 0.73 ms instead of 0.84, the
        # detectors the same (x86-64 with 2 MB of L2, ONNX Runtime 1.32).
        options.enable_mem_pattern = False
        options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
        options.log_severity_level = 3
        available = ort.get_available_providers()
        providers = [provider for provider in _PROVIDERS if provider in available]
        try:
            session = ort.InferenceSession(content, options, providers=providers)
        except _runtime_faults() as exc:
            raise ModelError(model=entry.id, remedy=f"ONNX Runtime refuses it: {exc}") from exc
        provider = str(session.get_providers()[0]).removesuffix("ExecutionProvider")
        return Session(ModelFacts(entry.id, entry.sha256, provider), session)


@functools.cache
def _runtime_faults() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its own exceptions share no base but Exception (seen in 1.32)."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception)]
    return (RuntimeError, ValueError, *own)


def find_models_dir(configured: str = "") -> Path:
    """The configured folder, else $WAYSIDE_MODELS, else the checkout's, else the installed one. Raises ModelError.

    A checkout's code comes with its models: what was installed once beside it may be of another day.
    """
    if configured:
        candidates = [Path(configured)]
    elif os.environ.get("WAYSIDE_MODELS"):
        candidates = [Path(os.environ["WAYSIDE_MODELS"])]
    else:
        checkout = Path(__file__).resolve().parents[2] / "models"
        candidates = [checkout, Path(sys.prefix) / "share/wayside/models"]
    for candidate in candidates:
        if (candidate / MANIFEST).is_file():
            return candidate
    looked = ", ".join(map(str, candidates))
    raise ModelError(looked=looked, remedy=f"no {MANIFEST} there; set [vision] models_dir to the folder of the models")


def _read_manifest(models_dir: Path) -> Manifest:
    path = models_dir / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as exc:
        raise ModelError(file=str(path), remedy="it cannot be read; install the models again") from exc
    except msgspec.MsgspecError as exc:
        raise ModelError(file=str(path), remedy=f"it is no manifest of ours: {exc}") from exc
