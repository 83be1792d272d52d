"""The job's options, each written once.

The job's flags, those of `hotswap local` and `hotswap dataflow`, and the parameters of the Flex Template are all made
from the fields of `JobOptions`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from enum import Enum
from typing import Any, get_args

from models.artefacts import DEFAULT_MAX_VALUES, EngineChoice
from models.images.decoding import DecodeLimits
from models.serving import ServingConfig
from models.trials.percentages import PERCENTAGE, share_of
from models.trials.policy import NO_TRIAL, WRITTEN, Policy, Undecided
from models.trials.terms import Limits, TrialTerms

_PUBSUB_NAME = r"projects/[a-z][-a-z0-9:.]{{4,61}}[a-z0-9]/{kind}/[A-Za-z][A-Za-z0-9._~+%-]{{2,254}}"
REMOTE = r"[a-z0-9.+-]+://"
"""What the address of a place begins with that workers elsewhere reach too."""
SEPARATOR = ";"
"""Between several places in one value. Commas separate the parameters of a template for gcloud."""
_ONE_OF_SEVERAL = rf"{REMOTE}[^{SEPARATOR}\s][^{SEPARATOR}]*"
_OBJECT = rf"gs://[^{SEPARATOR}\s]+/[^{SEPARATOR}]+"


class Kind(Enum):
    """What an option's values are.

    Attributes:
        value_type: of one value.
        regex: of the value's text as the Flex Template takes it; None for one of `Option.choices`.
        parameter_type: the Flex Template's word.
    """

    SUBSCRIPTION = str, _PUBSUB_NAME.format(kind="subscriptions"), "PUBSUB_SUBSCRIPTION"
    TOPIC = str, _PUBSUB_NAME.format(kind="topics"), "PUBSUB_TOPIC"
    PLACE = str, REMOTE + r"[^\s].*", "TEXT"
    PLACES = str, rf"{_ONE_OF_SEVERAL}({SEPARATOR}{_ONE_OF_SEVERAL})*", "TEXT"
    KEY_FILES = str, rf"{_OBJECT}({SEPARATOR}{_OBJECT})*", "TEXT"
    WORKER_FOLDER = str, r"/.*", "TEXT"
    SECONDS = float, r"(0*[1-9][0-9]*(\.[0-9]+)?|0*\.0*[1-9][0-9]*)", "TEXT"
    TRIAL = str, WRITTEN, "TEXT"
    SHARE = str, PERCENTAGE, "TEXT"
    FACTOR = float, r"(0*[1-9][0-9]{0,8}(\.[0-9]+)?|0*\.0*[1-9][0-9]*)", "TEXT"
    COUNT = int, r"0*[1-9][0-9]*", "NUMBER"
    COUNT_OR_NONE = int, r"[0-9]+", "NUMBER"
    CHOICE = str, None, "ENUM"
    SWITCH = bool, r"(true|false)", "BOOLEAN"

    def __init__(self, value_type: type, regex: str | None, parameter_type: str) -> None:
        self.value_type = value_type
        self.regex = regex
        self.parameter_type = parameter_type

    @property
    def several(self) -> bool:
        """Whether an option may be given several times."""
        return self in (Kind.PLACES, Kind.KEY_FILES)


@dataclass(frozen=True, slots=True)
class Option:
    """One option, whatever it is given to.

    Attributes:
        name: as the job takes it, `--name`.
        kind: what its values are.
        title: a few words, as the heading of a form's field.
        about: one sentence without a full stop, wherever it is given.
        choices: a line for each value of a `CHOICE`.
        default: None where it may be left out.
        required: whether nothing can replace it.
    """

    name: str
    kind: Kind
    title: str
    about: str
    choices: Mapping[str, str]
    default: Any
    required: bool

    @property
    def help(self) -> str:
        """What it is about, for the help of a command, where several values are given one by one."""
        return f"{self.about}; repeatable" if self.kind.several else self.about


def _option(
    kind: Kind, title: str, about: str, default: Any = MISSING, choices: Mapping[str, str] | None = None
) -> Any:
    return field(default=default, metadata={"option": (kind, title, about, choices or {})})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The job's checked options; in place of its files, `trusted_key` has what they hold."""

    input_subscription: str | None = _option(
        Kind.SUBSCRIPTION,
        "Input subscription",
        "Pub/Sub source, projects/P/subscriptions/S, whose messages name images; or give a topic",
        None,
    )
    input_topic: str | None = _option(
        Kind.TOPIC, "Input topic", "Pub/Sub source, projects/P/topics/T; or give a subscription", None
    )
    model_pattern: str = _option(
        Kind.PLACE, "Model files", "glob of model files, gs://bucket/models/*.h5 say; the newest valid one is live"
    )
    model_poll_seconds: float = _option(
        Kind.SECONDS, "Seconds between looks", "seconds between two looks at the pattern", 30.0
    )
    output_topic: str | None = _option(Kind.TOPIC, "Result topic", "results, one JSON message each", None)
    output_path: str | None = _option(Kind.PLACE, "Result folder", "results, as JSON Lines files", None)
    mask_path: str | None = _option(
        Kind.PLACE,
        "Mask folder",
        "folder for the masks of segmentations, a PNG file each that results name (default: within results)",
        None,
    )
    dead_letter_topic: str | None = _option(
        Kind.TOPIC, "Dead-letter topic", "what could not be predicted, one message each", None
    )
    dead_letter_path: str | None = _option(
        Kind.PLACE, "Dead-letter folder", "what could not be predicted, as JSON Lines files", None
    )
    model_events_topic: str | None = _option(
        Kind.TOPIC, "Model event topic", "what happened to each model, one message each", None
    )
    model_events_path: str | None = _option(
        Kind.PLACE, "Model event folder", "what happened to each model, as JSON Lines files", None
    )
    image_prefix: tuple[str, ...] = _option(
        Kind.PLACES, "Image prefixes", "only images below one of these are read", ()
    )
    engine: EngineChoice = _option(
        Kind.CHOICE,
        "Engine",
        "what executes the models",
        "auto",
        {
            "auto": "Whichever is fastest",
            "openvino": "OpenVINO",
            "onnx": "ONNX Runtime",
            "tensorflow": "TensorFlow",
        },
    )
    max_batch_size: int = _option(Kind.COUNT, "Largest batch", "most images in one call of the model", 32)
    max_batch_wait_ms: int = _option(
        Kind.COUNT_OR_NONE, "Batch wait", "milliseconds that a batch waits for images of other bundles", 0
    )
    max_values: int = _option(
        Kind.COUNT,
        "Most numbers",
        "models whose results would tell more numbers of their outputs as they are are rejected",
        DEFAULT_MAX_VALUES,
    )
    max_image_bytes: int = _option(
        Kind.COUNT, "Largest image file", "larger files are dead letters, in bytes", DecodeLimits().max_bytes
    )
    max_image_pixels: int = _option(
        Kind.COUNT, "Largest image", "larger images are dead letters, in pixels", DecodeLimits().max_pixels
    )
    exact_decode: bool = _option(
        Kind.SWITCH,
        "Exact decoding",
        "never decode a large image at reduced size: slower, and true to the last bit",
        False,
    )
    require_confinement: bool = _option(
        Kind.SWITCH,
        "Require confinement",
        "refuse to start where a model file could come through to the machine, see `hotswap doctor`",
        False,
    )
    trusted_key: tuple[str, ...] = _option(
        Kind.KEY_FILES,
        "Trusted keys",
        "file with a public key, or an authority's certificate, in PEM, read at the start; only models signed by one "
        "of these go live",
        (),
    )
    model_cache: str | None = _option(
        Kind.WORKER_FOLDER, "Cache folder", "local folder for compiled models (default: the user's cache folder)", None
    )
    registry: str | None = _option(
        Kind.PLACE,
        "Registry",
        "where what is known of models is kept for all who read the pattern: verdicts, compiled forms, which is live "
        "(default: gs://BUCKET/hotswap/registry on Dataflow, else a folder in the cache)",
        None,
    )

    trial: str = _option(
        Kind.TRIAL,
        "Trial of new models",
        "how a new model proves itself before it answers all images: shadow:SHARE/MINUTES has both models answer a "
        "share of them, canary:SHARE/MINUTES has the new one alone answer it, and may go on with greater shares, "
        "canary:5%/10,25%/10 say, or with ; for the comma; none has it answer all at once",
        NO_TRIAL,
    )
    trial_undecided: Undecided = _option(
        Kind.CHOICE,
        "Undecided trials",
        "what becomes of a new model whose time is up without enough evidence",
        "roll_back",
        {"roll_back": "The old one stays", "promote": "It answers everything"},
    )
    trial_max_failures: str = _option(
        Kind.SHARE,
        "Most failures",
        "largest share of images that only the new model fails on, before a trial ends by a roll back",
        "0.1%",
    )
    trial_max_slowdown: float = _option(
        Kind.FACTOR, "Largest slowdown", "largest time of a call of the new model, as a multiple of the old one's", 1.5
    )
    trial_min_agreement: str = _option(
        Kind.SHARE, "Least agreement", "smallest share of images that both models label alike, in a shadow", "80%"
    )
    trial_max_drift: float = _option(
        Kind.FACTOR,
        "Largest drift",
        "largest population stability index between what the two models answer, of labels and of scores",
        0.25,
    )
    trial_max_accuracy_loss: str = _option(
        Kind.SHARE, "Largest loss of accuracy", "largest loss of accuracy, where true labels are told", "2%"
    )
    feedback_subscription: str | None = _option(
        Kind.SUBSCRIPTION,
        "Feedback subscription",
        "Pub/Sub source, projects/P/subscriptions/S, of true labels of images, by the ids of the messages that named "
        "them; trials then judge accuracy too",
        None,
    )

    @property
    def decode_limits(self) -> DecodeLimits:
        """What one image may cost.

        Raises:
            ValueError: more than decoding can promise.
        """
        return DecodeLimits(self.max_image_bytes, self.max_image_pixels)

    @property
    def trials(self) -> TrialTerms:
        """On which terms new models are tried.

        Raises:
            ValueError: an option is none of its kind.
        """
        limits = Limits(
            share_of(self.trial_max_failures),
            self.trial_max_slowdown,
            share_of(self.trial_min_agreement),
            self.trial_max_drift,
            share_of(self.trial_max_accuracy_loss),
        )
        return TrialTerms(
            Policy.parse(self.trial), limits, self.trial_undecided, needs_labels=self.feedback_subscription is not None
        )

    @property
    def serving(self) -> ServingConfig:
        """Which models are served, and how.

        Raises:
            ValueError: as `trials`.
        """
        return ServingConfig(
            self.model_pattern,
            self.model_poll_seconds,
            self.engine,
            self.max_batch_size,
            self.model_cache,
            self.registry,
            self.max_values,
            self.require_confinement,
            self.trusted_key,
            trials=self.trials,
        )


def _table() -> Iterator[Option]:
    for each in dataclasses.fields(JobOptions):
        kind, title, about, choices = each.metadata["option"]
        required = each.default is MISSING
        default = None if required or each.default == () else each.default
        yield Option(each.name, kind, title, about, choices, default, required)


OPTIONS = {option.name: option for option in _table()}
"""Every option by its name, in the order in which people should read them."""

assert tuple(OPTIONS["engine"].choices) == get_args(EngineChoice)
assert tuple(OPTIONS["trial_undecided"].choices) == get_args(Undecided)


def as_flags(values: Mapping[str, Any]) -> list[str]:
    """Values of options, by name, as the job's command line; those that are None are left out."""
    flags: list[str] = []
    for name, value in values.items():
        match OPTIONS[name].kind:
            case kind if kind.several:
                flags += [f"--{name}={each}" for each in value or ()]
            case Kind.SWITCH:
                flags += [f"--{name}"] if value else []
            case _ if value is not None:
                flags.append(f"--{name}={value}")
    return flags
