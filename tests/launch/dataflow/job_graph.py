"""What an in-place update of a running job depends on: the names of its steps, and the shapes of what they keep.

`python -m tests.launch.dataflow.job_graph` writes down this code's graph, for the next version to be compared with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.pipeline_context import PipelineContext

from beam_pipeline.options import parse_options
from beam_pipeline.pipeline import build
from beam_pipeline.source import pubsub_source

WRITTEN = Path(__file__).with_name("job_graph.json")
ADVICE = """
The graph differs from the one that is written down, so `--update` of a running job would be refused or lose state.
Where a step was only renamed, give --transform-name-mapping '{"old name": "new name"}' with the update. Where the
shape of a step's state changed, drain the running job and start anew. Either way tell it in docs/dataflow.md, then
run `python -m tests.launch.dataflow.job_graph` and commit what it writes."""

JOB = [
    "--runner=DataflowRunner",
    "--dry_run=true",
    "--project=my-project",
    "--region=us-central1",
    "--staging_location=gs://bucket/staging",
    "--temp_location=gs://bucket/temp",
    "--sdk_container_image=gcr.io/my-project/hotswap:1",
    "--input_subscription=projects/my-project/subscriptions/images",
    "--model_pattern=gs://bucket/models/*.h5",
    "--output_path=gs://bucket/results",
    "--dead_letter_topic=projects/my-project/topics/dead-letters",
    "--model_events_topic=projects/my-project/topics/events",
]
FEEDBACK = "--feedback_subscription=projects/my-project/subscriptions/labels"


def graph_of_this_code(*more: str) -> dict[str, Any]:
    """The graph that Dataflow is sent, as its runner rewrites it; of a job with `more` options."""
    options, job, mode = parse_options([*JOB, *more])
    pipeline = beam.Pipeline(options=options)
    build(pipeline, pubsub_source(job), job, mode)
    return described(pipeline.run().job.proto_pipeline)


def described(proto: beam_runner_api_pb2.Pipeline) -> dict[str, Any]:
    """Names of steps, and of those that keep something, what they keep and how it is coded and windowed."""
    context = PipelineContext(proto.components)
    parts = proto.components
    steps = {t.unique_name: t for t in parts.transforms.values() if t.spec.urn and not t.subtransforms}
    keeping = {name: _kept(transform, parts, context) for name, transform in sorted(steps.items())}
    return {"steps": sorted(steps), "state": {name: kept for name, kept in keeping.items() if kept}}


def _kept(transform: Any, parts: Any, context: PipelineContext) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if transform.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn:
        kept["groups"] = True
    if transform.spec.urn == common_urns.primitives.PAR_DO.urn:
        payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
        kept |= {f"state {name}": spec.WhichOneof("spec") for name, spec in payload.state_specs.items()}
        kept |= {f"timer {name}": spec.time_domain for name, spec in payload.timer_family_specs.items()}
        kept |= {f"side input {name}": spec.access_pattern.urn for name, spec in payload.side_inputs.items()}
        if payload.restriction_coder_id:
            kept["restriction"] = _coder(payload.restriction_coder_id, context)
    if kept:
        inputs = [parts.pcollections[identifier] for _, identifier in sorted(transform.inputs.items())]
        kept["inputs"] = [_coder(collection.coder_id, context) for collection in inputs]
        kept["windows"] = [_windows(parts.windowing_strategies[c.windowing_strategy_id]) for c in inputs]
    return kept


def _coder(identifier: str, context: PipelineContext) -> str:
    return str(context.coders.get_by_id(identifier))


def _windows(strategy: Any) -> str:
    trigger = " ".join(str(strategy.trigger).split())
    mode = beam_runner_api_pb2.AccumulationMode.Enum.Name(strategy.accumulation_mode)
    return f"{strategy.window_fn.urn} {trigger} {mode} lateness {strategy.allowed_lateness}"


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(graph_of_this_code(), indent=1) + "\n")
    print(f"wrote {WRITTEN}")
