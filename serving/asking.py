"""What a client asks for, whatever it speaks, and how it is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from numpy.typing import NDArray

from models.errors import ImageError, ImageFault
from models.reference import ModelReference

IMAGES = "images"
"""The input of encoded images, strings; a model's own input has the name that the model gives it."""
MODEL_ID = "model_id"
"""The output that names the model which answered, of every model."""
MODEL_NAME = "model_name"
"""The output with that model's own name, its card's or its file's: given to who asks for it."""
CLASS_LABELS = "class_labels"
"""The labels in the order of `scores`: an output of models with a score for each class, given to who asks for it."""
EVERYTHING = "*"
"""Asked for in place of outputs' names: all that the live model's task has, with those two."""


class Code(Enum):
    """Why a request has no answer.

    Attributes:
        grpc: the status code of gRPC, by its name.
        http: the status of HTTP.
    """

    INVALID_ARGUMENT = "INVALID_ARGUMENT", 400
    UNAUTHENTICATED = "UNAUTHENTICATED", 401
    NOT_FOUND = "NOT_FOUND", 404
    TOO_SLOW = "DEADLINE_EXCEEDED", 408
    TOO_LARGE = "RESOURCE_EXHAUSTED", 413
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED", 429
    INTERNAL = "INTERNAL", 500
    UNAVAILABLE = "UNAVAILABLE", 503
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED", 504

    def __init__(self, grpc: str, http: int) -> None:
        self.grpc = grpc
        self.http = http


class Refused(Exception):  # noqa: N818 - an answer, not a failure of the program
    """A request that has no answer.

    Attributes:
        code: why, for programs.
        detail: one line for a person, safe to print.
        fault: of the image at fault, the word of its dead letter; None where none is.
        is_counted: whether metrics have it.
    """

    def __init__(self, code: Code, detail: str, fault: ImageFault | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fault = fault
        self.is_counted = False

    @property
    def word(self) -> str:
        """Why, in one stable word: the fault of an image, else the code in lower case."""
        return str(self.fault or self.code.name.lower())


class Tensor(NamedTuple):
    """A batch as the model takes it.

    Attributes:
        name: of the model's own input, as the client says it; "" where it says none.
        values: shape (n, *input_shape), n ≥ 1, of the model's `input_dtype`.
    """

    name: str
    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: images or a tensor, never both.

    Attributes:
        images: encoded files, in order.
        tensor: ready for the model; None where images are given.
        version: of the model, see `version_of`; None for the live one.
        label: the version in its card; "" for any.
        outputs: names of those that are wanted, or `EVERYTHING`; () for all that the task has. `model_id` is always
            given.
        deadline: by the monotonic clock, in seconds.
        key: by which its client knows the request; "" where it does not say.
    """

    images: Sequence[bytes] = ()
    tensor: Tensor | None = None
    version: int | None = None
    label: str = ""
    outputs: Sequence[str] = ()
    deadline: float = math.inf
    key: str = ""

    @property
    def rows(self) -> int:
        """How many answers it gets."""
        return len(self.images) if self.tensor is None else len(self.tensor.values)

    @property
    def names_model(self) -> bool:
        """Whether its client says which model is to answer, by version or label."""
        return self.version is not None or bool(self.label)

    @property
    def size(self) -> int:
        """What it holds in memory, in bytes."""
        return sum(map(len, self.images)) if self.tensor is None else int(self.tensor.values.nbytes)


class Spent(NamedTuple):
    """Where the time of a request went.

    Attributes:
        decoding: seconds until its images were pixels.
        waiting: seconds for a batch.
        computing: seconds that the batch took.
        batch: images of that batch, its own and those of others.
        began: when decoding did, by the monotonic clock, in seconds; the others follow one upon the other.
    """

    decoding: float
    waiting: float
    computing: float
    batch: int
    began: float


class Answer(NamedTuple):
    """What a model said to a request.

    Attributes:
        reference: of the one model that made all of it.
        outputs: by name, shape (n, …) each; texts and bytes are arrays of Python's `str` and `bytes`.
        spent: where its time went.
        ragged: names of outputs of which each row has a number of entries of its own, as many as its `classes` are
            0 or more, and is filled up.
    """

    reference: ModelReference
    outputs: dict[str, NDArray[Any]]
    spent: Spent
    ragged: frozenset[str] = frozenset()


def not_one_input(given: int) -> Refused:
    """How a request is refused that gives another number of inputs than one."""
    return Refused(Code.INVALID_ARGUMENT, f"one input is expected, {IMAGES!r} or the model's own; {given} given")


def version_of(reference: ModelReference) -> int:
    """The version that protocols with numbers for versions know a model by: the first 12 hexadecimal digits."""
    return int(reference.digest, 16)


_ITS_OWN_DOING = {
    ImageFault.MODEL_CRASHED: Code.UNAVAILABLE,
    ImageFault.MODEL_TIMED_OUT: Code.UNAVAILABLE,
    ImageFault.MODEL_OUT_OF_MEMORY: Code.UNAVAILABLE,
    ImageFault.NO_MODEL: Code.UNAVAILABLE,
    ImageFault.NON_FINITE_OUTPUT: Code.INTERNAL,
    ImageFault.PREDICTION_FAILED: Code.INTERNAL,
    ImageFault.WRONG_ANSWER_SHAPE: Code.INTERNAL,
}


def refusal_of(error: ImageError, row: int, rows: int) -> Refused:
    """How a request is refused one of whose images has no answer, in the words of dead letters."""
    which = f"image {row + 1} of {rows}: " if rows > 1 else ""
    code = _ITS_OWN_DOING.get(error.fault, Code.INVALID_ARGUMENT)
    return Refused(code, f"{which}{error.fault}: {error.detail}", error.fault)
