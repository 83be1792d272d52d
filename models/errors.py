"""The stable words by which this project says no, and the exceptions that carry them.

Users filter, count and alert on these words: they never change their meaning. Each is explained, with cause
and remedy, in `docs/operations.md`.
"""

from __future__ import annotations

from enum import StrEnum


class ImageFault(StrEnum):
    """Why an input has no result: the `error` of a dead letter."""

    NOT_UTF8 = "not_utf8"
    EMPTY_PATH = "empty_path"
    PATH_TOO_LONG = "path_too_long"
    INVALID_PATH = "invalid_path"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    FORBIDDEN_PATH = "forbidden_path"
    NOT_FOUND = "not_found"
    NOT_A_FILE = "not_a_file"
    PERMISSION_DENIED = "permission_denied"
    UNAVAILABLE = "unavailable"
    EMPTY_FILE = "empty_file"
    TOO_LARGE = "too_large"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    NO_MODEL = "no_model"
    NON_FINITE_OUTPUT = "non_finite_output"
    PREDICTION_FAILED = "prediction_failed"
    WRONG_ANSWER_SHAPE = "wrong_answer_shape"
    MODEL_CRASHED = "model_crashed"
    MODEL_TIMED_OUT = "model_timed_out"
    MODEL_OUT_OF_MEMORY = "model_out_of_memory"
    BAD_FEEDBACK = "bad_feedback"


class ModelFault(StrEnum):
    """Why a model file is not served: the first word of a rejection's `reason`."""

    NOT_A_MODEL = "not_a_model"
    TRUNCATED = "truncated"
    UNSAFE_CODE = "unsafe_code"
    UNSUPPORTED_LAYER = "unsupported_layer"
    BAD_CARD = "bad_card"
    NON_FINITE_OUTPUT = "non_finite_output"
    UNSTABLE_OUTPUT = "unstable_output"
    WRONG_INPUT = "wrong_input"
    WRONG_OUTPUT = "wrong_output"
    LABELS_MISMATCH = "labels_mismatch"
    TOO_LARGE = "too_large"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    CHANGED_WHILE_READING = "changed_while_reading"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"


class ComponentFault(StrEnum):
    """Why a device does not take a component: the first word of what it says of it."""

    NOT_FOUND = "not_found"
    NOT_A_COMPONENT = "not_a_component"
    UNSAFE_NAME = "unsafe_name"
    WRONG_DIGEST = "wrong_digest"
    TOO_LARGE = "too_large"
    NO_RUNTIME = "no_runtime"
    OTHER_COMPONENT = "other_component"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"


class FetchFault(StrEnum):
    """Why an archive has not come to a device: what a device says of it, and what it does next."""

    EXPIRED = "expired"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    WRONG_DIGEST = "wrong_digest"
    BAD_ANSWER = "bad_answer"
    BAD_ADDRESS = "bad_address"


class DeviceFault(StrEnum):
    """Why a component that was taken in does not answer on a device, or why the device could not take it in."""

    QUARANTINED = "quarantined"
    CRASHED = "crashed"
    BOOT_LOOP = "boot_loop"
    FAILS_ON_IMAGES = "fails_on_images"
    DISK_FULL = "disk_full"
    MACHINE = "machine"


MACHINE_FAULTS = frozenset({ModelFault.TOO_LARGE, ModelFault.TIMED_OUT, ModelFault.CRASHED})
"""What tells of the machine as well as of the file: one with more may say otherwise."""
SIGNATURE_FAULTS = frozenset({ModelFault.UNSIGNED, ModelFault.BAD_SIGNATURE})
"""What may be mended without touching the model's file."""


class ImageError(Exception):
    """One input that cannot be predicted; it becomes one dead letter.

    Attributes:
        fault: the stable word.
        detail: one line for a person, safe to print.
    """

    def __init__(self, fault: ImageFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail

    def __reduce__(self) -> tuple[type[ImageError], tuple[ImageFault, str]]:
        """It travels inside answers, from one step to the next."""
        return type(self), (self.fault, self.detail)


class ModelRejected(Exception):  # noqa: N818 - a verdict on a file, not a failure of the program
    """One model file that must not be served.

    Attributes:
        fault: the stable word.
        detail: one line for a person, safe to print.
        model_id: of the rejected bytes; None where they could not be read whole.
    """

    def __init__(self, fault: ModelFault, detail: str, model_id: str | None = None) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
        self.model_id = model_id

    def __reduce__(self) -> tuple[type[ModelRejected], tuple[ModelFault, str, str | None]]:
        return type(self), (self.fault, self.detail, self.model_id)


class ComponentRefused(Exception):  # noqa: N818 - a verdict on a component, not a failure of the program
    """A component that must not be run.

    Attributes:
        fault: the stable word.
        detail: one line for a person, safe to print.
    """

    def __init__(self, fault: ComponentFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class FetchFailed(Exception):  # noqa: N818 - it is told apart by its word
    """An archive has not come whole to a device, for a reason that is not this machine's.

    Attributes:
        fault: the stable word.
        detail: one line for a person, safe to print.
        received: bytes of it that came over the wire this time.
    """

    def __init__(self, fault: FetchFault, detail: str, received: int = 0) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
        self.received = received


class ModelFailed(Exception):  # noqa: N818 - told apart from a verdict on an image
    """A model did not answer a batch; which of its images is at fault, if any, is not known yet.

    Attributes:
        fault: what it did instead.
        detail: one line for a person, safe to print.
    """

    def __init__(self, fault: ImageFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class ModelGivenUp(ModelFailed):
    """A model did not answer in time before the end of the program, which tells little of it."""


class ModelUnfit(ModelFailed):
    """A model fails on its own probe image, on this machine at least."""


class MachineFailed(ModelUnfit):
    """A model does not answer here for what may be this machine's doing, such as memory or time that it lacks."""


class NoModelAnswers(RuntimeError):  # noqa: N818 - named for the state it reports
    """Every model that could be live is quarantined; the text says why the last one is."""


class ModelsClosed(Exception):  # noqa: N818 - the program is ending, nothing failed
    """The program is ending and no model will answer any more."""


class VettingStopped(Exception):  # noqa: N818 - the program is ending, nothing failed
    """Vetting was ended because the program is ending; nothing was found out."""


class VettingStarved(Exception):  # noqa: N818 - it is the machine's state, not a failure
    """A vetting child got no processor; nothing was found out."""


class VettingDisturbed(Exception):  # noqa: N818 - told apart from a verdict
    """A vetting child ended in a way that may be the machine's doing as well as its candidate's.

    Attributes:
        verdict: on the candidate, if it is its doing.
    """

    def __init__(self, verdict: ModelRejected) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


class VettingFailed(RuntimeError):  # noqa: N818 - told apart from a verdict
    """Vetting could not look at the candidate, for a reason that is this machine's; nothing was found out."""


class KerasMissing(VettingFailed):
    """A Keras file, or a form that TensorFlow executes, where neither is installed; others may find out about it."""


class NotConfined(VettingFailed):
    """A model that took its process over would come through to something; the text says to what, and what to do."""


class VettingTooCostly(Exception):  # noqa: N818 - told apart from a verdict
    """Vetting took more memory than it may, which tells little of what the model takes when it serves."""


class ReleaseError(Exception):
    """Something about a request to release a model that its user can mend; its text is one line."""


class TagMalformed(ValueError):  # noqa: N818 - named for the state it reports
    """A tag that is none; its text is one line that says what is expected."""


class KeyUnusable(Exception):  # noqa: N818 - named for the state it reports
    """A key or certificate, to sign or to trust, that cannot be used; its text is one line that says what to do."""


class QuantizedOtherwise(Exception):  # noqa: N818 - a verdict on a model
    """A model in 8 bits answers otherwise than its original too often; its text is one line that says how often."""


class CacheUnusable(Exception):  # noqa: N818 - named for the state it reports
    """Compiled models cannot be kept on this machine; its text is one line that says what to do."""


def typed_line(error: BaseException) -> str:
    """An error as `one_line`, its type first."""
    return one_line(f"{type(error).__name__}: {error}")


def one_line(error: object, limit: int = 200) -> str:
    """An error's text as one printable line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)[:limit]
