"""Releasing a model: its card inside it, vetted, under a name of its own, and put where its readers look, in one step.

from models.releasing import release

print(release("digits.h5", "gs://bucket/models", labels=[str(digit) for digit in range(10)]).reference.model_id)
"""

from models.components.component import Precision
from models.releasing.quantized import Quantization, Quantized, Telling
from models.releasing.release import Prepared, prepare, prepare_quantized, release

__all__ = [
    "Precision",
    "Prepared",
    "Quantization",
    "Quantized",
    "Telling",
    "prepare",
    "prepare_quantized",
    "release",
]
