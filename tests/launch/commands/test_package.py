"""What `hotswap package` promises: a component that a device runs, made the same way each time, and never replaced."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from models.components.component import Component
from models.components.opening import OpenedComponent, open_component
from models.reference import sha256_of
from models.signatures.trusted import TrustedKeys
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.launch.tiny_models import tiny_keras
from tests.models.signatures.makers import Maker
from tests.models.storage.other_buckets import s3_bucket
from tests.sample_images import digit, encoded

ARCHIVE = "shelf/cats/1.0.0/cats-1.0.0-linux-x86_64.zip"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


def opened(archive: str | Path) -> OpenedComponent:
    folder = Path(f"{archive}.opened")
    folder.mkdir()
    return open_component(Path(archive), folder)


def written(folder: str = "shelf") -> dict[str, str]:
    return {str(path): sha256_of(path) for path in Path(folder).rglob("*") if path.is_file()}


def calibration(folder: str) -> str:
    Path(folder).mkdir()
    for index in range(12):
        Path(folder, f"{index}.png").write_bytes(encoded(digit(index), "PNG"))
    return folder


def test_a_model_becomes_a_component_beside_its_recipe(hotswap: Command) -> None:
    drop("cats.onnx", labels=["tabby", "tom", "manx"])

    outcome = hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")

    assert outcome.code == 0
    assert outcome.last_line == ARCHIVE
    component = opened(ARCHIVE).component
    assert (component.model_id, component.source_sha256) == (model_id("cats.onnx"), sha256_of(Path("cats.onnx")))
    assert (component.target, component.precision, component.runtime.engine) == ("linux-x86_64", "fp32", "onnx")
    recipe = yaml.safe_load(Path("shelf/cats/1.0.0/recipe.yaml").read_text())
    assert recipe["Manifests"][0]["Artifacts"][0]["URI"] == Path(ARCHIVE).absolute().as_uri()


def test_a_keras_model_is_compiled_for_devices_each_time_to_the_same_bytes(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_keras(tmp_path / "cats.h5")
    for engine in ("onnx", "openvino"):
        digests = []
        for cache in ("one", "two"):
            monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / cache))
            shelf = f"{engine}-{cache}"
            assert hotswap("package", "cats.h5", shelf, "--version", "1.0.0", "--engine", engine).code == 0
            digests.append(sha256_of(Path(shelf, "cats/1.0.0/cats-1.0.0-linux-x86_64.zip")))
        assert digests[0] == digests[1]
        found = opened(Path(f"{engine}-one", "cats/1.0.0/cats-1.0.0-linux-x86_64.zip"))
        assert found.component.runtime.engine == engine
        assert found.component.model_id == model_id("cats.h5")


def test_one_version_for_several_machines_has_one_recipe(hotswap: Command) -> None:
    drop("cats.onnx")
    both = ("--target", "linux-x86_64", "--target", "linux-aarch64")

    assert hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0", *both, "--engine", "auto").code == 0

    assert opened("shelf/cats/1.0.0/cats-1.0.0-linux-aarch64.zip").component.runtime.engine == "onnx"
    assert opened(ARCHIVE).component.runtime.engine in ("onnx", "openvino")
    recipe = yaml.safe_load(Path("shelf/cats/1.0.0/recipe.yaml").read_text())
    assert [each["Platform"]["architecture"] for each in recipe["Manifests"]] == ["amd64", "aarch64"]


def test_the_same_again_writes_nothing_and_says_so(hotswap: Command) -> None:
    drop("cats.onnx")
    hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")
    before = {path: Path(path).stat().st_ino for path in written()}

    outcome = hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")

    assert outcome.code == 0
    assert "is there already with the same bytes" in outcome.out
    assert outcome.last_line == ARCHIVE
    assert {path: Path(path).stat().st_ino for path in written()} == before


def test_other_bytes_for_a_version_are_refused_before_anything_is_written(hotswap: Command) -> None:
    drop("cats.onnx")
    hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")
    before = written()
    drop("cats.onnx", favours=2)

    for more in ((), ("--target", "linux-x86_64", "--target", "linux-aarch64")):
        outcome = hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0", *more)
        assert outcome.code == 1
        assert "a version never changes" in error_line(outcome)
    assert written() == before
    assert hotswap("package", "cats.onnx", "shelf", "--version", "1.0.1").code == 0


def test_another_machine_cannot_be_added_to_a_version(hotswap: Command) -> None:
    drop("cats.onnx")
    hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")
    before = written()

    assert hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0", "--target", "linux-aarch64").code == 1
    assert written() == before


def test_a_push_that_was_cut_is_completed(hotswap: Command) -> None:
    drop("cats.onnx")
    hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")
    whole = written()
    Path("shelf/cats/1.0.0/recipe.yaml").unlink()

    assert hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0").code == 0
    assert written() == whole


def test_an_archive_is_signed_beside_itself(hotswap: Command, tmp_path: Path) -> None:
    drop("cats.onnx")
    maker = Maker(tmp_path / "keys", "maker")
    signed = ("package", "cats.onnx", "shelf", "--version", "1.0.0", "--sign", str(maker.private))
    assert hotswap(*signed).code == 0

    signature = Path(f"{ARCHIVE}.sig").read_bytes()
    assert TrustedKeys([maker.public.read_text()]).require_signed(Path(ARCHIVE), signature)
    assert "same bytes" in hotswap(*signed).out
    assert Path(f"{ARCHIVE}.sig").read_bytes() == signature


def test_a_signature_can_be_added_to_a_version(hotswap: Command, tmp_path: Path) -> None:
    drop("cats.onnx")
    hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")
    maker = Maker(tmp_path / "keys", "maker")

    outcome = hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0", "--sign", str(maker.private))

    assert outcome.code == 0
    assert TrustedKeys([maker.public.read_text()]).require_signed(Path(ARCHIVE), Path(f"{ARCHIVE}.sig").read_bytes())


def test_a_model_in_8_bits_bears_the_id_of_its_source(hotswap: Command) -> None:
    drop("cats.onnx", labels=["tabby", "tom", "manx"])
    images = calibration("images")

    outcome = hotswap(
        "package", "cats.onnx", "shelf", "--version", "1.0.0", "--precision", "int8", "--calibration", images
    )

    assert outcome.code == 0
    found = opened(ARCHIVE)
    assert (found.component.precision, found.component.model_id) == ("int8", model_id("cats.onnx"))
    assert found.vetted.artefact.manifest.card.name == "cats"
    assert found.vetted.artefact.manifest.sha256 != sha256_of(Path("cats.onnx"))


def test_a_model_in_8_bits_is_made_to_the_same_bytes(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("cats.onnx")
    in_8_bits = ("--version", "1.0.0", "--precision", "int8", "--calibration", calibration("images"))
    for cache in ("one", "two"):
        monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / cache))
        outcome = hotswap("package", "cats.onnx", "shelf", *in_8_bits)
        assert outcome.code == 0
    assert "same bytes" in outcome.out


def test_the_newest_valid_model_of_a_folder_is_taken_or_all_of_them(hotswap: Command) -> None:
    Path("zoo").mkdir()
    drop("zoo/old.onnx", favours=0, age=100)
    drop("zoo/new.onnx", favours=1, age=50)
    drop("zoo/bad.onnx", finite=False)

    newest = hotswap("package", "zoo", "one", "--version", "1.0.0")
    every = hotswap("package", "zoo", "all", "--version", "1.0.0", "--all")

    assert (newest.code, every.code) == (0, 0)
    assert "zoo/bad.onnx is left out: non_finite_output" in newest.err
    assert sorted(path.name for path in Path("one").iterdir()) == ["new"]
    assert sorted(path.name for path in Path("all").iterdir()) == ["new", "old"]


def test_models_of_one_name_are_told_apart_by_their_files(hotswap: Command) -> None:
    Path("zoo").mkdir()
    drop("zoo/first.onnx", favours=0, name="Cats")
    drop("zoo/second.onnx", favours=1, name="cats")
    drop("zoo/dogs.onnx", favours=2, name="Large Dogs")

    assert hotswap("package", "zoo", "shelf", "--version", "1.0.0", "--all").code == 0
    assert sorted(path.name for path in Path("shelf").iterdir()) == ["Large-Dogs", "first", "second"]


def test_of_all_models_none_is_written_where_one_is_there_with_other_bytes(hotswap: Command) -> None:
    Path("zoo").mkdir()
    drop("zoo/first.onnx", favours=0)
    drop("zoo/second.onnx", favours=1)
    hotswap("package", "zoo/first.onnx", "shelf", "--version", "1.0.0")
    before = written()
    drop("zoo/first.onnx", favours=2)

    assert hotswap("package", "zoo", "shelf", "--version", "1.0.0", "--all").code == 1
    assert written() == before


def test_a_bucket_is_a_shelf_too(hotswap: Command, bucket: StorageServer) -> None:
    drop("cats.onnx")
    shelf = f"gs://{BUCKET}/shelf"

    assert hotswap("package", "cats.onnx", shelf, "--version", "1.0.0").last_line == f"gs://{BUCKET}/{ARCHIVE}"
    assert "same bytes" in hotswap("package", "cats.onnx", shelf, "--version", "1.0.0").out
    Path("fetched.zip").write_bytes(bucket.content(ARCHIVE))
    assert opened("fetched.zip").component.title == "cats 1.0.0"
    recipe = yaml.safe_load(bucket.content("shelf/cats/1.0.0/recipe.yaml"))
    assert recipe["Manifests"][0]["Artifacts"][0]["URI"] == f"gs://{BUCKET}/{ARCHIVE}"

    drop("cats.onnx", favours=2)
    writes = len(bucket.writes)
    assert hotswap("package", "cats.onnx", shelf, "--version", "1.0.0").code == 1
    assert len(bucket.writes) == writes


def test_a_bucket_of_s3_is_a_shelf_too(hotswap: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    drop("cats.onnx")
    with s3_bucket(monkeypatch) as address:
        arguments = ("package", "cats.onnx", f"{address}/shelf", "--version", "1.0.0")
        assert hotswap(*arguments).last_line == f"{address}/{ARCHIVE}"
        assert "same bytes" in hotswap(*arguments).out
        drop("cats.onnx", favours=2)
        refused = hotswap(*arguments)

    assert refused.code == 1
    assert "a version never changes" in error_line(refused)


def test_a_model_that_is_rejected_leaves_nothing(hotswap: Command) -> None:
    drop("bad.onnx", finite=False)

    outcome = hotswap("package", "bad.onnx", "shelf", "--version", "1.0.0")

    assert outcome.code == 1
    assert "non_finite_output" in outcome.err
    assert not Path("shelf").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cats.onnx", "shelf"], "--version"),
        (["cats.onnx", "shelf", "--version", "1.0"], "X.Y.Z"),
        (["cats.onnx", "shelf", "--version", "1.0.0", "--engine", "tensorflow"], "tensorflow"),
        (["cats.onnx", "shelf", "--version", "1.0.0", "--target", "toaster"], "toaster"),
        (["cats.onnx", "shelf", "--version", "1.0.0", "--precision", "int8"], "--calibration"),
        (["cats.onnx", "shelf", "--version", "1.0.0", "--calibration", "x"], "--precision int8"),
        (["cats.onnx", "shelf", "--version", "1.0.0", "--name", "a/b"], "a/b"),
        (["cats.onnx", "shelf", "--version", "1.0.0", "--all"], "--all"),
        (["cats.onnx", "ftp://host/x", "--version", "1.0.0"], "ftp://host/x"),
        (["cats.onnx", "s3://", "--version", "1.0.0"], "s3://"),
        (["absent.onnx", "shelf", "--version", "1.0.0"], "absent.onnx"),
        (["empty", "shelf", "--version", "1.0.0"], "empty"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(hotswap: Command, arguments: list[str], told: str) -> None:
    drop("cats.onnx")
    Path("empty").mkdir()

    outcome = hotswap("package", *arguments)

    assert outcome.code == 2
    assert told in error_line(outcome)
    assert not Path("shelf").exists()


def test_the_manifest_in_the_archive_names_the_model_for_whoever_reads_it(hotswap: Command) -> None:
    drop("cats.onnx")
    hotswap("package", "cats.onnx", "shelf", "--version", "1.0.0")

    with zipfile.ZipFile(ARCHIVE) as packed:
        manifest = json.loads(packed.read("manifest.json"))

    assert manifest["model_id"] == model_id("cats.onnx")
    assert Component.decode(json.dumps(manifest).encode()).title == "cats 1.0.0"
