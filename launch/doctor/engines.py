"""Whether models can be made, vetted and served: each library in a process of its own, which it may end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from launch.doctor.findings import Finding
from launch.doctor.installation import is_a_servers
from models.errors import ModelRejected, one_line
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter

IMPORT_SECONDS = 120.0


def libraries() -> Iterator[Finding]:
    """Whether the engines' libraries can be imported: a broken build ends the process, hence the children."""
    if trouble := trouble_in("-c", "import onnxruntime"):
        yield Finding("fail", f"ONNX Runtime: {trouble}", "pip install --force-reinstall onnxruntime")
    else:
        yield Finding("ok", "ONNX Runtime can be imported")
    if trouble := trouble_in("-c", "from models.engines.quiet_openvino import load_openvino; load_openvino()"):
        remedy = "models are served by other engines, more slowly; pip install --force-reinstall openvino"
        yield Finding("warn", f"OpenVINO: {trouble}", remedy)
    else:
        yield Finding("ok", "OpenVINO can be imported")


def vetting_works() -> Iterator[Finding]:
    """The whole way of a model: Keras saves a tiny one, a child process vets and compiles it.

    Where a server alone is installed, it is one of ONNX.
    """
    with tempfile.TemporaryDirectory(prefix="hotswap-doctor-") as folder:
        lean = is_a_servers()
        maker, maker_name, packages = (
            ("launch.saved_as_onnx", "ONNX", "onnx")
            if lean
            else ("launch.saved_by_keras", "Keras with TensorFlow", "tensorflow keras")
        )
        model = Path(folder) / ("tiny.onnx" if lean else "tiny.h5")
        trouble = trouble_in("-m", maker, str(model))
        if trouble:
            yield Finding("fail", f"{maker_name}: {trouble}", f"pip install --force-reinstall {packages}")
            return
        yield Finding("ok", f"{maker_name} makes a model")
        vetter = Vetter(LocalStorage(), ArtefactCache(Path(folder) / "cache"), largest_batch=2)
        try:
            manifest = vetter.vet(str(model)).artefact.manifest
        except ModelRejected as rejection:
            remedy = "free memory, or look whether a security policy forbids child processes"
            yield Finding("fail", f"vetting rejects a good model: {rejection}", remedy)
            return
        finally:
            vetter.close()
    if manifest.engine == "tensorflow":
        remedy = "models are served by TensorFlow, more slowly; pip install --force-reinstall openvino"
        yield Finding("warn", f"vetting works, but with no faster engine: {manifest.engine_reason}", remedy)
    else:
        yield Finding("ok", f"vetting works: {manifest.seconds:.1f} s for a tiny model, served by {manifest.engine}")


def trouble_in(*arguments: str) -> str:
    """What went wrong in a Python process with these arguments, in one line; "" if nothing did."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {IMPORT_SECONDS:.0f} s"
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return one_line(lines[-1]) if done.returncode else ""
