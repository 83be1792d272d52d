"""What `docs/devices.md` has people type and write for Greengrass is what AWS' own clients take, by their models."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore import xform_name
from botocore.model import Shape
from botocore.session import get_session
from botocore.validate import validate_parameters

from models.components.recipe import RECIPE, recipe
from tests.component_files import component, component_of

_PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()
_FILES = dict(
    re.findall(r"`([\w.-]+\.(?:json|yaml))`[^`]*:\n\n```(?:json|yaml)\n(.*?)^```", _PAGE, re.DOTALL | re.MULTILINE)
)
_COMMANDS = re.findall(r"^aws (?!s3 ).*$", _PAGE, re.MULTILINE)
_OF_EVERY_COMMAND = {"--query", "--output", "--region"}


def asked(command: str) -> tuple[str, Shape, dict[str, Any]]:
    """What a command asks for: the operation, the form of what it takes, and what it is given."""
    _, service, verb, *words = shlex.split(command)
    model = get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    form = model.operation_model(names[verb]).input_shape
    members = {f"--{xform_name(name, '-')}": name for name in form.members}
    given: dict[str, Any] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        if option == "--cli-input-json":
            given |= json.loads(_FILES[value.removeprefix("file://")])
        elif option not in _OF_EVERY_COMMAND:
            given[members[option]] = _content(value, form.members[members[option]])
    return names[verb], form, given


def _content(value: str, form: Shape) -> Any:
    if form.type_name == "blob":
        name = value.removeprefix("fileb://")
        assert name in (RECIPE, *_FILES), value
        return _FILES.get(name, "what `hotswap package` wrote").encode()
    if value.startswith("file://"):
        return _FILES[value.removeprefix("file://")]
    return value if form.type_name == "string" else json.loads(value)


def words_that_are_none(form: Shape, value: Any) -> list[str]:
    """Those values that are of no choice that there is, which botocore leaves to the service."""
    if form.type_name == "structure":
        return [word for name, each in value.items() for word in words_that_are_none(form.members[name], each)]
    if form.type_name == "map":
        return [word for each in value.values() for word in words_that_are_none(form.value, each)]
    if form.type_name == "list":
        return [word for each in value for word in words_that_are_none(form.member, each)]
    choices = getattr(form, "enum", None)
    return [value] if choices and value not in choices else []


@pytest.mark.parametrize("command", _COMMANDS, ids=lambda command: " ".join(command.split()[1:3]))
def test_each_command_is_one_that_amazons_clients_take(command: str) -> None:
    _, form, given = asked(command)

    validate_parameters(given, form)
    assert words_that_are_none(form, given) == []


def test_a_component_is_made_and_then_deployed_to_a_group(tmp_path: Path) -> None:
    operations = [asked(command) for command in _COMMANDS]
    names = [name for name, _, _ in operations]
    deployment = next(given for name, _, given in operations if name == "CreateDeployment")
    made = yaml.safe_load(recipe([component(component_of(tmp_path))], ["s3://bucket/a.zip"]))
    changed = json.loads(deployment["components"]["digits"]["configurationUpdate"]["merge"])

    assert names.index("CreateComponentVersion") < names.index("CreateDeployment")
    assert ":thinggroup/" in deployment["targetArn"]
    assert set(changed) <= set(made["ComponentConfiguration"]["DefaultConfiguration"])


def test_the_devices_may_read_the_shelf_and_do_nothing_else() -> None:
    (statement,) = json.loads(_FILES["shelf-access.json"])["Statement"]

    assert statement["Action"] == "s3:GetObject"


def test_a_command_that_amazon_does_not_know_would_be_found() -> None:
    """The checks above see a wrong option, a wrong word, and a field that is not there."""
    with pytest.raises(KeyError):
        asked("aws greengrassv2 create-deployment --target robots")
    _, form, given = asked('aws greengrassv2 create-deployment --components \'{"a": {"version": "1.0.0"}}\'')
    with pytest.raises(Exception, match="componentVersion"):
        validate_parameters(given, form)
    assert words_that_are_none(form, {"deploymentPolicies": {"failureHandlingPolicy": "STAY"}}) == ["STAY"]
