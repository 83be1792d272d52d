"""Vetting by real child processes. Keras costs seconds a child: all its files are vetted once, side by side."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from models.artefacts import Vetted
from models.engines import load_engine
from models.errors import ModelFault, ModelRejected, StorageUnavailable, VettingFailed, VettingStopped
from models.images.decoding import Raster
from models.live import LiveModel
from models.reference import ModelReference
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter, VettingLimits
from models.vetting.child_process import ChildProcess
from models.vetting.file_checks import identify
from models.vetting.job import has_begun, say_begun, write_verdict
from tests import model_files
from tests.model_files import cut, tiny_classifier
from tests.models.rejections import rejection

MEMORY = 4 << 30
GREY = Raster(np.full((8, 8, 3), 128, np.uint8))


@pytest.fixture
def vetter(shared_cache: ArtefactCache) -> Iterator[Vetter]:
    vetter = Vetter(LocalStorage(), shared_cache, largest_batch=4)
    yield vetter
    vetter.close()


def children() -> list[psutil.Process]:
    """The vetting children that run now, those not counted that ended and were not yet waited for."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "models.vetting.child" in process.cmdline():
                found.append(process)
    return found


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What Keras is needed for.


@pytest.fixture(scope="session")
def keras_outcomes(keras_files: Path, shared_cache: ArtefactCache) -> dict[str, Vetted | ModelRejected]:
    names = ["huge.h5", "good.h5", "good.keras", "lambda.h5", "augmenting.h5"]
    vetter = Vetter(LocalStorage(), shared_cache, largest_batch=4)

    def outcome(name: str) -> Vetted | ModelRejected:
        try:
            return vetter.vet(str(keras_files / name))
        except ModelRejected as rejected:
            return rejected

    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(names, pool.map(outcome, names), strict=True))
    vetter.close()
    return outcomes


@pytest.mark.parametrize("name", ["good.h5", "good.keras", "augmenting.h5"])
def test_a_keras_model_is_accepted_and_answers(name: str, keras_outcomes: dict[str, Any]) -> None:
    vetted = keras_outcomes[name]
    assert isinstance(vetted, Vetted), vetted
    engine = load_engine(vetted.artefact, 1)
    answers = LiveModel(vetted.reference, vetted.artefact.manifest, engine).predict([GREY, GREY])
    assert answers.shape == (2, 3)
    assert vetted.artefact.manifest.engine == "onnx"
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)


def test_the_card_in_the_file_is_what_the_model_goes_by(keras_outcomes: dict[str, Any]) -> None:
    card = keras_outcomes["good.h5"].artefact.manifest.card
    assert (card.labels, card.version, card.name) == (("cat", "dog", "emu"), "7", "good")


def test_the_model_id_names_the_exact_bytes(keras_files: Path, keras_outcomes: dict[str, Any]) -> None:
    digest = hashlib.sha256((keras_files / "good.h5").read_bytes()).hexdigest()
    assert keras_outcomes["good.h5"].reference.model_id == f"{keras_files}/good.h5@sha256:{digest[:12]}"


def test_hostile_code_never_runs(
    keras_files: Path, keras_outcomes: dict[str, Any], tmp_path: Path, vetter: Vetter
) -> None:
    assert keras_outcomes["lambda.h5"].fault is ModelFault.UNSAFE_CODE
    assert not (keras_files / "lambda-has-run").exists()
    pickled = model_files.pickled(tmp_path / "m.h5", tmp_path / "pickle-has-run")
    assert rejection(lambda: identify(pickled)).fault is ModelFault.NOT_A_MODEL
    renamed = str(pickled.rename(tmp_path / "m.onnx"))
    assert rejection(lambda: vetter.vet(renamed)).fault is ModelFault.NOT_A_MODEL
    assert not (tmp_path / "pickle-has-run").exists()


def test_a_model_that_would_allocate_100_gigabytes_is_too_large(keras_outcomes: dict[str, Any]) -> None:
    assert keras_outcomes["huge.h5"].fault is ModelFault.TOO_LARGE


def test_a_rejection_names_the_bytes_it_is_about(keras_files: Path, keras_outcomes: dict[str, Any]) -> None:
    digest = hashlib.sha256((keras_files / "lambda.h5").read_bytes()).hexdigest()
    assert keras_outcomes["lambda.h5"].model_id == f"{keras_files}/lambda.h5@sha256:{digest[:12]}"


# What ONNX Runtime is enough for: a child takes about a second.


@pytest.mark.parametrize(
    ("make", "task"),
    [
        (tiny_classifier, "classification"),
        (model_files.regression, "regression"),
        (model_files.raw, "raw"),
        (lambda path: tiny_classifier(path, channels_first=True), "classification"),
    ],
    ids=["classifier", "regression", "raw", "channels first"],
)
def test_a_good_onnx_model_is_accepted(make: Callable[[Path], Path], task: str, tmp_path: Path, vetter: Vetter) -> None:
    vetted = vetter.vet(str(make(tmp_path / "m.onnx")))
    assert vetted.artefact.manifest.card.task == task
    assert vetted.name == "m"


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (model_files.nan_output, ModelFault.NON_FINITE_OUTPUT),
        (model_files.random_output, ModelFault.UNSTABLE_OUTPUT),
        (model_files.takes_100_gigabytes, ModelFault.TOO_LARGE),
        (model_files.custom_operator, ModelFault.UNSUPPORTED_LAYER),
        (model_files.external_data, ModelFault.UNSAFE_CODE),
        (model_files.two_inputs, ModelFault.WRONG_INPUT),
        (model_files.takes_text, ModelFault.WRONG_INPUT),
        (lambda path: tiny_classifier(path, batch=4), ModelFault.WRONG_INPUT),
        (lambda path: tiny_classifier(path, card={"input": {"height": 9}}), ModelFault.WRONG_INPUT),
        (lambda path: tiny_classifier(path, card={"labels": ["only one"]}), ModelFault.LABELS_MISMATCH),
        (lambda path: tiny_classifier(path, card={"labls": []}), ModelFault.BAD_CARD),
        (lambda path: tiny_classifier(path, card="{"), ModelFault.BAD_CARD),
        (lambda path: cut(path, tiny_classifier(path), 0.6), ModelFault.TRUNCATED),
        (lambda path: path.write_bytes(b"\x08\x09") and path, ModelFault.TRUNCATED),
    ],
    ids=lambda value: value.value if isinstance(value, ModelFault) else "",
)
def test_a_bad_model_is_rejected_with_a_fitting_word(
    make: Callable[[Path], Path], fault: ModelFault, tmp_path: Path, vetter: Vetter
) -> None:
    assert rejection(lambda: vetter.vet(str(make(tmp_path / "m.onnx")))).fault is fault


def test_a_model_that_never_returns_is_ended(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, limits=VettingLimits(seconds=6))
    refused = rejection(lambda: vetter.vet(str(model_files.never_returns(tmp_path / "m.onnx"))))
    assert refused.fault is ModelFault.TIMED_OUT
    assert not children()


def test_a_file_over_the_limit_is_not_read_to_its_end(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, limits=VettingLimits(file_bytes=1000))
    refused = rejection(lambda: vetter.vet(str(tiny_classifier(tmp_path / "m.onnx"))))
    assert (refused.fault, refused.model_id) == (ModelFault.TOO_LARGE, None)


def test_the_same_bytes_are_vetted_once_under_whatever_name(tmp_path: Path, vetter: Vetter) -> None:
    first = vetter.vet(str(tiny_classifier(tmp_path / "first.onnx", classes=4)))
    again = vetter.vet(str((tmp_path / "first.onnx").rename(tmp_path / "again.onnx")))
    assert again.artefact.folder == first.artefact.folder
    assert (first.name, again.name) == ("first", "again")


def test_the_worker_loads_only_the_bytes_that_were_vetted(tmp_path: Path, vetter: Vetter) -> None:
    path = tiny_classifier(tmp_path / "m.onnx", favours=0)
    vetted = vetter.vet(str(path))
    tiny_classifier(path, favours=2)
    assert vetter.obtain(vetted.reference).artefact.folder == vetted.artefact.folder
    gone = ModelReference(str(path), "0" * 12)
    refused = rejection(lambda: vetter.obtain(gone))
    assert (refused.fault, refused.model_id) == (ModelFault.CHANGED_WHILE_READING, gone.model_id)


def test_a_child_that_is_killed_is_a_crash(tmp_path: Path, vetter: Vetter, shared_cache: ArtefactCache) -> None:
    path = model_files.never_returns(tmp_path / "m.onnx")
    with ThreadPoolExecutor(1) as pool:
        vetting = pool.submit(vetter.vet, str(path))
        await_that(lambda: any(has_begun(each) for each in shared_cache.folder.glob(".work-*")))
        (child,) = children()
        os.kill(child.pid, signal.SIGSEGV)
        refused = rejection(vetting.result)
    assert refused.fault is ModelFault.CRASHED
    assert "11" in refused.detail


def test_a_child_that_dies_before_it_looks_says_nothing_about_the_file(tmp_path: Path, vetter: Vetter) -> None:
    path = tiny_classifier(tmp_path / "m.onnx", classes=5)
    with ThreadPoolExecutor(1) as pool:
        vetting = pool.submit(vetter.vet, str(path))
        await_that(children)
        os.kill(children()[0].pid, signal.SIGKILL)
        with pytest.raises(VettingFailed):
            vetting.result()
    assert vetter.vet(str(path)).name == "m"


def test_a_prepared_child_outlives_the_thread_that_prepared_it(tmp_path: Path, vetter: Vetter) -> None:
    preparing = threading.Thread(target=vetter.prepare, args=[False])
    preparing.start()
    preparing.join()
    (prepared,) = children()
    vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", classes=6)))
    assert not prepared.is_running()


def test_a_prepared_child_that_died_is_not_used(tmp_path: Path, vetter: Vetter) -> None:
    vetter.prepare(False)
    os.kill(children()[0].pid, signal.SIGKILL)
    await_that(lambda: not children())
    assert vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", classes=7))).name == "m"


def test_closing_amid_vetting_leaves_no_process_and_no_folder(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache)
    path = model_files.never_returns(tmp_path / "m.onnx")
    with ThreadPoolExecutor(1) as pool:
        vetting = pool.submit(vetter.vet, str(path))
        await_that(lambda: any(has_begun(each) for each in shared_cache.folder.glob(".work-*")))
        vetter.close()
        with pytest.raises(VettingStopped):
            vetting.result()
    assert not children()
    assert not list(shared_cache.folder.glob(".work-*"))
    with pytest.raises(VettingStopped):
        vetter.vet(str(path))


_PARENT = """
import sys, threading
from pathlib import Path
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
vetter = Vetter(LocalStorage(), ArtefactCache(Path(sys.argv[1])))
threading.Thread(target=vetter.vet, args=[sys.argv[2]]).start()
"""


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    model = model_files.never_returns(tmp_path / "m.onnx")
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "cache"), str(model)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as parent:
        await_that(lambda: any(has_begun(each) for each in (tmp_path / "cache").glob(".work-*")))
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    child.wait(60)
    ArtefactCache(tmp_path / "cache").sweep()
    assert not list((tmp_path / "cache").iterdir())


def test_what_a_child_leaves_running_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models/vetting").mkdir(parents=True)
    for package in ("models", "models/vetting"):
        (tmp_path / package / "__init__.py").touch()
    left = tmp_path / "left"
    (tmp_path / "models/vetting/child.py").write_text(
        "import os, pathlib, subprocess, sys\n"
        "left = subprocess.Popen(['sleep', '600'])\n"
        "workspace = pathlib.Path(input())\n"
        "(workspace / 'begun').touch()\n"
        f"pathlib.Path({str(left)!r}).write_text(str(left.pid))\n"
    )
    monkeypatch.setattr("models.vetting.child_process._HOME", str(tmp_path))
    vetter = Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"))
    assert rejection(lambda: vetter.vet(str(tiny_classifier(tmp_path / "m.onnx")))).fault is ModelFault.CRASHED
    assert _is_gone(int(left.read_text()))


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).wait(60) is None
    except psutil.NoSuchProcess:
        return True


_CONFINED = """
import os, socket, sys, threading
from models.vetting.child import _confine
_confine(hurried=sys.argv[2] == "hurried")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
except OSError:
    print("unreachable", os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux' namespaces")
@pytest.mark.parametrize("hurried", [False, True])
def test_a_child_has_no_network_and_yields_to_everyone(hurried: bool) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", _CONFINED, str(server.getsockname()[1]), "hurried" if hurried else ""]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    if "unreachable" not in done.stdout:
        pytest.skip("this machine allows no namespaces")
    assert done.stdout.split() == ["unreachable", "10", str(not hurried)]


def test_a_child_that_gets_no_processor_is_begun_anew_with_a_claim_to_one(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []

    class Watched(ChildProcess):
        def __init__(self, keras: bool, hurried: bool = False) -> None:
            begun.append(hurried)
            super().__init__(keras, hurried)

        def _is_starved(self) -> bool:
            return True

    monkeypatch.setattr("models.vetting.vetter.ChildProcess", Watched)
    assert vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", classes=12))).name == "m"
    assert begun == [False, True]
    assert not children()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux' statistics of its scheduler")
@pytest.mark.parametrize(
    ("ran", "waited", "starved"), [(1.0, 29.0, False), (1.0, 31.0, True), (4.0, 31.0, False), (0.0, 0.0, False)]
)
def test_a_child_is_starved_once_it_waits_ten_times_as_long_as_it_runs(
    monkeypatch: pytest.MonkeyPatch, ran: float, waited: float, starved: bool
) -> None:
    with contextlib.closing(ChildProcess(keras=False)) as child:
        statistics = f"{ran * 1e9:.0f} {waited * 1e9:.0f} 7\n"
        monkeypatch.setattr(Path, "read_text", lambda path: statistics)
        assert child._is_starved() is starved


_WITH_A_TERMINAL = """
import fcntl, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
code = "import os; os.open('/dev/tty', os.O_RDWR)"
confined = "from models.vetting.child import _confine; _confine(hurried=False); " + code
print([subprocess.run([sys.executable, "-c", each], process_group=0).returncode for each in (code, confined)])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux' terminals")
def test_a_candidate_has_no_terminal() -> None:
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _WITH_A_TERMINAL],
            cwd=Path(__file__).parents[2],
            stdin=follower,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert done.stdout.strip() == "[0, 1]", done.stderr


def test_a_verdict_about_other_bytes_is_not_believed(
    tmp_path: Path, vetter: Vetter, shared_cache: ArtefactCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetted = vetter.vet(str(tiny_classifier(tmp_path / "m.onnx")))

    def forge(self: ChildProcess, job: Any) -> None:
        for workspace in shared_cache.folder.glob(".work-*"):
            write_verdict(workspace, vetted.artefact.manifest)
            say_begun(workspace)
        self._process.kill()
        self._process.wait()
        self._process.returncode = 0

    monkeypatch.setattr(ChildProcess, "_watch", forge)
    other = tiny_classifier(tmp_path / "other.onnx", classes=9)
    assert rejection(lambda: vetter.vet(str(other))).fault is ModelFault.CRASHED


class _Troubled:
    """A storage whose files break off after some bytes."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._reads = 0

    def list(self, pattern: str) -> list[Any]:
        return []

    def open(self, uri: str) -> _Troubled:
        return self

    def read(self, size: int, /) -> bytes:
        self._reads += 1
        if self._reads > 1:
            raise self._error
        return b"\x89HDF"

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (StorageUnavailable("503"), StorageUnavailable),
        (OSError(5, "Input/output error"), StorageUnavailable),
        (FileNotFoundError("gone mid-download"), FileNotFoundError),
    ],
)
def test_storage_trouble_is_no_verdict(raised: Exception, told: type[Exception], shared_cache: ArtefactCache) -> None:
    with pytest.raises(told):
        Vetter(_Troubled(raised), shared_cache).vet("gs://b/m.h5")
    assert not list(shared_cache.folder.glob(".work-*"))


def test_an_odd_suffix_does_no_harm(tmp_path: Path, vetter: Vetter) -> None:
    vetter.vet(str(tiny_classifier(tmp_path / "m.onnx")))
    path = (tmp_path / "m.onnx").rename(tmp_path / ("m." + "x" * 250))
    assert vetter.vet(str(path)).name == "m"
