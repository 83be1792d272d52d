"""`hotswap replay`: publishes the messages behind dead letters again, once what stopped them is mended."""

from __future__ import annotations

import re
from typing import Annotated, get_args

import typer

from beam_pipeline.option_table import Kind
from launch.command_line import CommandFailed, CommandRefused
from launch.dead_letters import Replaying, Wanted, lines_of
from launch.printing import PlainConsole
from models.errors import ImageFault
from models.records import Stage
from transforms.pubsub.access import check_topics
from transforms.pubsub.errors import PublishingRefused, PubSubRefused

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    dead_letters: Annotated[
        str, typer.Argument(help="A file of dead letters as JSON Lines, a folder of such files, a gs:// glob, or -.")
    ],
    topic: Annotated[str, typer.Option(help="Where to publish them: projects/P/topics/T.")],
    error: Annotated[list[ImageFault] | None, typer.Option(help="Only those with this error. Repeatable.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="Only those of this stage. Repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing, say what would be.")] = False,
) -> int:
    """Publish the messages of dead letters again, with their attributes.

    Each is published with the attribute hotswap_replay_of: the id of the message that it was first. Works with
    PUBSUB_EMULATOR_HOST as with the service.
    """
    for name in stage or []:
        if name not in get_args(Stage):
            raise CommandRefused(f"--stage {name} is none of {', '.join(get_args(Stage))}")
    wanted = Wanted(frozenset(error or ()), frozenset(stage or ()))
    console = PlainConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)
    if not dry_run:
        _check_topic(topic)
    replaying = Replaying(console, wanted, None if dry_run else topic)
    try:
        replaying.go(lines_of(dead_letters))
    except PublishingRefused as refused:
        raise CommandFailed(f"{refused}; {replaying.told()}") from refused
    except KeyboardInterrupt:
        console.print(f"interrupted: {replaying.told()}")
        raise
    console.print(replaying.told())
    for (its_stage, its_error), number in sorted(replaying.kinds.items()):
        console.print(f"  {number:6d}  {its_stage} {its_error}")
    return 1 if replaying.counts["unreadable"] else 0


def _check_topic(topic: str) -> None:
    if not re.fullmatch(Kind.TOPIC.regex or "", topic):
        raise CommandRefused(f"--topic is {topic!r}; projects/PROJECT/topics/NAME is expected")
    try:
        check_topics([topic])
    except PubSubRefused as error:
        raise CommandRefused(f"{topic} cannot be published to: {error}") from error
