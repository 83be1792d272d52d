"""The SDK harness on its own: a real worker process that is given the job's main path, bundle by bundle.

It plays the runner's part for one worker: the stage from message to written result as the runner fuses it, and, before
each bundle, the pane of the model side input that this worker sees. Runners fire panes late and to each worker in its
own time; here a test chooses which worker sees which.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.ml.inference.base import ModelMetadata
from apache_beam.options.pipeline_options import DebugOptions
from apache_beam.portability.api import beam_fn_api_pb2, beam_provision_api_pb2
from apache_beam.runners.job.utils import dict_to_struct
from apache_beam.runners.portability.fn_api_runner import execution, fn_runner, worker_handlers
from apache_beam.transforms import environments
from apache_beam.transforms.window import GlobalWindows

from beam_pipeline.options import parse_options
from beam_pipeline.pipeline import build
from models.events import ModelEvent
from models.reference import Statement

_ROOT = Path(__file__).parents[2]
_STEP = "RunInference/BeamML_RunInference"


def job_for_workers(world: Path, cache: Path, *more: str) -> list[str]:
    """The options of a job on the models in `world/models`; workers that share a cache are on one machine."""
    return [
        "--runner=DataflowRunner",
        "--input_topic=projects/not-used/topics/images",
        f"--model_pattern={world}/models/*.onnx",
        f"--image_prefix={world}",
        "--engine=onnx",
        f"--model_cache={cache}",
        f"--output_path={world}/results.jsonl",
        f"--dead_letter_path={world}/dead_letters.jsonl",
        f"--model_events_path={world}/events.jsonl",
        *more,
    ]


class SdkWorkerProcess:
    """One SDK worker process, serving the job that `argv` describes.

    Args:
        argv: the job's options, with a runner that fires triggered side inputs.
        without: experiments that the launch sets and this worker shall lack.
        environment: what starts the worker; a process of this Python where None.
    """

    def __init__(
        self,
        argv: Sequence[str],
        without: Sequence[str] = (),
        environment: environments.Environment | None = None,
    ) -> None:
        options, job, mode = parse_options(argv)
        experiments = [e for e in options.view_as(DebugOptions).experiments or [] if e not in without]
        environment = environment or _this_python()
        pipeline = beam.Pipeline()
        build(pipeline, _Fed(), job, mode)
        runner = fn_runner.FnApiRunner(environment)
        proto = pipeline.to_runner_api(default_environment=environment)
        context, stages = runner.create_stages(fn_runner.merge_common_environments(proto))
        provision = beam_provision_api_pb2.ProvisionInfo(
            pipeline_options=dict_to_struct({"beam:option:experiments:v1": experiments})
        )
        self._workers = worker_handlers.WorkerHandlerManager(
            context.components.environments, fn_runner.ExtendedProvisionInfo(provision)
        )
        self._execution = execution.FnApiRunnerExecutionContext(
            stages, self._workers, context.components, context.safe_coders, context.data_channel_coders, num_workers=1
        )
        [stage] = [stage for stage in stages if any(t.unique_name == _STEP for t in stage.transforms)]
        self._execution.setup()
        self._bundles = self._execution.bundle_manager_for(stage)
        self._workers.register_process_bundle_descriptor(self._bundles.process_bundle_descriptor)
        self._side_input = _side_input(self._execution)
        self._given = 0

    def give(self, image: str, messages: Sequence[str], sees: Statement) -> None:
        """Processes one bundle to its end: a message with each of these ids, asking for `image`.

        Args:
            image: path of the image.
            messages: ids.
            sees: what the newest pane that reached this worker states.
        """
        self._put_pane(ModelMetadata(sees.encode(), sees.reference.file_name))
        manager = fn_runner.BundleManager(
            self._bundles, cache_token_generator=fn_runner.FnApiRunner.get_cache_token_generator()
        )
        [read] = [
            t.unique_name
            for t in self._bundles.stage.transforms
            if t.spec.urn == fn_runner.bundle_processor.DATA_INPUT_URN
        ]
        coder = self._bundles.get_input_coder_impl(read)
        buffer = execution.ListBuffer(coder)
        for message in messages:
            payload = json.dumps({"image": image, "id": message}).encode()
            buffer.append(coder.encode_nested(GlobalWindows.windowed_value(payload)))
        manager.process_bundle({read: buffer}, self._bundles.stage_data_outputs, {}, {})

    def loaded(self) -> dict[str, int]:
        """How many times each model became live in this process, by model id, as its model events tell."""
        live: Counter[str] = Counter()
        for step, buffer_id in self._bundles.stage_data_outputs.items():
            port = self._bundles.process_bundle_descriptor.transforms[step].spec.payload
            coder_id = beam_fn_api_pb2.RemoteGrpcPort.FromString(port).coder_id
            coder = self._execution.pipeline_context.coders[coder_id].get_impl()
            for encoded in self._bundles.get_buffer(buffer_id, step):
                records = [windowed.value for windowed in coder.decode_all(encoded)]
                live.update(r.model_id for r in records if isinstance(r, ModelEvent) and r.event == "live")
        return dict(live)

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(Exception):
            self._workers.close_all()

    def _put_pane(self, metadata: ModelMetadata) -> None:
        """Replaces what the side input holds, as a new pane of a triggered singleton does."""
        (buffer_id, _) = self._side_input
        _, collection = execution.split_buffer_id(buffer_id)
        coder = self._execution.pipeline_context.coders[self._execution.data_channel_coders[collection]].get_impl()
        buffer = execution.ListBuffer(coder)
        buffer.append(coder.encode_nested(GlobalWindows.windowed_value(metadata)))
        self._execution.pcoll_buffers[buffer_id] = buffer
        for descriptor in self._execution.side_input_descriptors_by_stage.values():
            self._forget(descriptor)
            self._execution.commit_side_inputs_to_state(descriptor)

    def _forget(self, descriptor: Any) -> None:
        for transform, tag in descriptor:
            key = beam_fn_api_pb2.StateKey.IterableSideInput(transform_id=transform, side_input_id=tag)
            self._execution.state_servicer.clear(beam_fn_api_pb2.StateKey(iterable_side_input=key))


def _this_python() -> environments.Environment:
    # Workers start in the folder of whoever runs the tests, and need this project's modules and the tests'.
    command = f"env PYTHONPATH={_ROOT} {sys.executable} -m apache_beam.runners.worker.sdk_worker_main"
    return environments.SubprocessSDKEnvironment.from_command_string(command)


class _Fed(beam.PTransform):
    """A source that is fed from outside: the elements that the runner gives in place of the one impulse."""

    def expand(self, begin: Any) -> Any:
        def message(payload: bytes) -> PubsubMessage:  # goes to the worker whole: a container has none of the tests
            asked = json.loads(payload)
            return PubsubMessage(os.fsencode(asked["image"]), {}, message_id=asked["id"])

        return begin | beam.Impulse() | beam.Map(message).with_output_types(PubsubMessage)


def _side_input(context: Any) -> Any:
    """Where the model side input is buffered, and how it is looked up."""
    [(_, found)] = [
        entry
        for descriptor in context.side_input_descriptors_by_stage.values()
        for entry in descriptor.items()
        if entry[0][0] == _STEP
    ]
    return found
