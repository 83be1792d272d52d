"""Keras 2, by Google's package `tf-keras`: Keras 3 cannot read most of what it saved. Runs in the vetting child.

Keras 2 writes a bare TensorFlow operation of a functional model as a layer that names any public symbol of TensorFlow,
`io.write_file` among them (`tf_keras.layers.TFOpLambda`). So only those that compute are let through.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.errors import ModelFault, ModelRejected, one_line
from models.vetting.keras_configuration import objects_in
from models.vetting.keras_models import for_inference, write_out_normalizations

_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
_METHODS = ("ClassMethod", "InstanceMethod", "InstanceProperty")
_COMPUTING = ("__operators__.", "image.", "linalg.", "math.", "nn.")
"""Parts of TensorFlow whose every function computes tensors from tensors."""
_COMPUTING_ALONE = frozenset(
    """abs add argmax argmin argsort boolean_mask broadcast_to cast clip_by_norm clip_by_value concat constant
    convert_to_tensor cumsum divide einsum equal exp expand_dims eye fill floor gather gather_nd greater greater_equal
    identity less less_equal linspace logical_and logical_not logical_or matmul maximum meshgrid minimum multiply
    negative norm not_equal one_hot ones ones_like pad pow range rank realdiv reduce_all reduce_any reduce_logsumexp
    reduce_max reduce_mean reduce_min reduce_prod reduce_sum repeat reshape reverse roll round rsqrt scalar_mul shape
    sigmoid sign size slice sort split sqrt square squeeze stack stop_gradient strided_slice subtract tanh tensordot
    tile transpose truediv unstack where zeros zeros_like""".split()  # noqa: SIM905
)
_FORMER_MODULES = "keras.src."
_EARLIER_NAMES = "compat.v1."


def check_operations(configuration: Any) -> None:
    """Refuses a configuration whose operations do more than compute; `file_checks.check_config` has seen it.

    Args:
        configuration: parsed JSON.

    Raises:
        ModelRejected: `unsafe_code` or `unsupported_layer`.
    """
    for each in objects_in(configuration):
        name, config = each.get("class_name"), each.get("config")
        if name in _METHODS:
            raise ModelRejected(
                ModelFault.UNSUPPORTED_LAYER,
                f"calls a method of TensorFlow's by a layer of kind {name}; build it of Keras' own layers",
            )
        if name in _OPERATIONS:
            function = config.get("function") if isinstance(config, dict) else None
            if not isinstance(function, str) or not _computes(function):
                raise ModelRejected(
                    ModelFault.UNSAFE_CODE,
                    f"calls TensorFlow's {one_line(function, 60)}, which is not known to compute alone; "
                    "build it of Keras' own layers",
                )


def load(path: Path, configuration: Any) -> Any:
    """The model in a `.h5` or `.keras` file that `file_checks` has let through.

    Args:
        path: of the file.
        configuration: in it, parsed.

    Raises:
        ModelRejected: see `check_operations`.
        Exception: whatever the layer at fault raises.
    """
    check_operations(configuration)
    import tf_keras

    if path.suffix == ".h5" and _moved(configuration):
        model = tf_keras.models.model_from_config(configuration, custom_objects=_known_objects())
        model.load_weights(path)
    else:
        model = tf_keras.models.load_model(path, custom_objects=_known_objects(), compile=False, safe_mode=True)
    write_out_normalizations(tf_keras, model)
    return model


def _moved(configuration: Any) -> bool:
    """Names the present module of each object that Keras 2.13 to 2.15 saved by a module of its own; whether any was.

    Those have no public name, as a functional model in another: `tf_keras` has them where `keras` had them.
    """
    moved = [each for each in objects_in(configuration) if str(each.get("module")).startswith(_FORMER_MODULES)]
    for each in moved:
        each["module"] = f"tf_{each['module']}"
    return bool(moved)


def write_saved_model(model: Any, folder: Path) -> None:
    """Writes the model, as it answers, as a SavedModel with the endpoint `serve`.

    Raises:
        Exception: whatever the exporter raises.
    """
    import tf_keras

    for_inference(tf_keras, model).export(str(folder))


def _computes(function: str) -> bool:
    name = function.removeprefix(_EARLIER_NAMES)
    return name in _COMPUTING_ALONE or name.startswith(_COMPUTING)


def _known_objects() -> dict[str, Any]:
    """What architectures are built of that Keras 2 does not find by name: its own, and those of files before 2.2."""
    import tensorflow as tf
    from tf_keras.src.applications import convnext, inception_resnet_v2, mobilenet_v3

    return {
        "LayerScale": convnext.LayerScale,
        "StochasticDepth": convnext.StochasticDepth,
        "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
        "relu6": tf.nn.relu6,
        "hard_swish": mobilenet_v3.hard_swish,
    }
