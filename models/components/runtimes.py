"""The programs that execute a component's model, and which of their versions do."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from models.artefacts import EngineName
from models.errors import ComponentFault, ComponentRefused


@dataclass(frozen=True, slots=True)
class Runtime:
    """What executes a model on a device.

    Attributes:
        engine: as this project calls it.
        package: its Python package.
        range: of the package's versions, e.g. `>=1.20,<2`.
    """

    engine: EngineName
    package: str
    range: str


RUNTIMES = (Runtime("onnx", "onnxruntime", ">=1.20,<2"), Runtime("openvino", "openvino", ">=2026.2,<2027"))
"""Those that devices may have, in the ranges of `setup.py`."""


def runtime_of(engine: EngineName) -> Runtime:
    """The runtime of an engine.

    Raises:
        ValueError: no device has it.
    """
    for runtime in RUNTIMES:
        if runtime.engine == engine:
            return runtime
    raise ValueError(f"{ascii(engine)[:60]} is no engine of a device")


def require_runtime(runtime: Runtime) -> None:
    """Refuses what this machine cannot execute.

    A build of another name, for a GPU say, is taken as it is: what it can do shows when it loads the model.

    Raises:
        ComponentRefused: `no_runtime`.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    extra = "" if runtime.engine == "onnx" else f"[{runtime.engine}]"
    remedy = f"pip install 'hotswap-edge{extra}'"
    if find_spec(runtime.package) is None:
        raise ComponentRefused(
            ComponentFault.NO_RUNTIME, f"it needs the package {runtime.package}{runtime.range}: {remedy}"
        )
    try:
        installed, wanted = metadata.version(runtime.package), SpecifierSet(runtime.range)
    except metadata.PackageNotFoundError:
        return
    except InvalidSpecifier as error:
        raise ComponentRefused(ComponentFault.NOT_A_COMPONENT, f"the range of its runtime is none: {error}") from error
    if not wanted.contains(installed, prereleases=True):
        raise ComponentRefused(
            ComponentFault.NO_RUNTIME,
            f"it needs {runtime.package}{runtime.range}, and {installed} is installed: {remedy} --upgrade",
        )
