"""The processes that vetting takes place in: whatever becomes of one harms nobody else and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from models.confinement.starting import end_group
from models.errors import ModelFault, VettingFailed, VettingStopped
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter, VettingLimits
from models.vetting.child_process import ChildProcess
from models.vetting.job import Begun, begun, has_begun, say_begun
from tests import model_files
from tests.model_files import tiny_classifier
from tests.models.rejections import rejection
from tests.models.vetting.processes import ROOT, children
from tests.own_process import run_module
from tests.waiting import eventually


def test_a_child_that_is_killed_is_a_crash(tmp_path: Path, vetter: Vetter, shared_cache: ArtefactCache) -> None:
    path = model_files.never_returns(tmp_path / "m.onnx")
    with ThreadPoolExecutor(1) as pool:
        vetting = pool.submit(vetter.vet, str(path))
        eventually(lambda: any(map(has_begun, shared_cache.folder.glob(".work-*"))), "vetting to begin")
        (child,) = children()
        os.kill(child.pid, signal.SIGSEGV)
        refused = rejection(vetting.result)
    assert refused.fault is ModelFault.CRASHED
    assert "11" in refused.detail


def test_a_child_that_the_system_kills_is_begun_anew(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []

    class KilledOnce(ChildProcess):
        def is_starved(self) -> bool:
            if not killed and has_begun(self._workspace):
                killed.append(self._process.pid)
                os.kill(self._process.pid, signal.SIGKILL)
            return False

    monkeypatch.setattr("models.vetting.vetter.ChildProcess", KilledOnce)
    assert vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", classes=15))).name == "m"
    assert killed


def test_a_file_whose_child_is_killed_again_and_again_is_a_crash(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []

    class Killed(ChildProcess):
        def __init__(self, keras: bool, workspace: AbstractContextManager[Path], hurried: bool = False) -> None:
            begun.append(hurried)
            super().__init__(keras, workspace, hurried)

        def is_starved(self) -> bool:
            if has_begun(self._workspace):
                os.kill(self._process.pid, signal.SIGKILL)
            return False

    monkeypatch.setattr("models.vetting.vetter.ChildProcess", Killed)
    refused = rejection(lambda: vetter.vet(str(model_files.never_returns(tmp_path / "m.onnx"))))
    assert refused.fault is ModelFault.CRASHED
    assert "signal 9" in refused.detail
    assert begun == [False] * 3


def test_a_child_that_waits_until_the_clock_runs_out_is_begun_anew_before_that_is_the_files_doing(
    tmp_path: Path, shared_cache: ArtefactCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Halted(ChildProcess):
        def is_starved(self) -> bool:
            if has_begun(self._workspace):
                os.kill(self._process.pid, signal.SIGSTOP)
            return False

    caplog.set_level("INFO")
    monkeypatch.setattr("models.vetting.vetter.ChildProcess", Halted)
    vetter = Vetter(LocalStorage(), shared_cache, limits=VettingLimits(seconds=2))
    refused = rejection(lambda: vetter.vet(str(model_files.never_returns(tmp_path / "m.onnx"))))
    assert refused.fault is ModelFault.TIMED_OUT
    assert caplog.text.count("vetting was disturbed") == 2


def test_a_child_that_dies_before_it_looks_says_nothing_about_the_file(tmp_path: Path, vetter: Vetter) -> None:
    path = tiny_classifier(tmp_path / "m.onnx", classes=5)
    with ThreadPoolExecutor(1) as pool:
        vetting = pool.submit(vetter.vet, str(path))
        eventually(children, "a child")
        os.kill(children()[0].pid, signal.SIGKILL)
        with pytest.raises(VettingFailed):
            vetting.result()
    assert vetter.vet(str(path)).name == "m"


def test_a_package_that_is_missing_says_nothing_about_the_file(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_classifier(tmp_path / "m.onnx", classes=13)
    (tmp_path / "onnx.py").write_text("raise ModuleNotFoundError(\"No module named 'onnx'\")")
    with monkeypatch.context() as without:
        without.setattr(sys, "path", [str(tmp_path), *sys.path])
        (tmp_path / "onnx.dist-info").mkdir()  # so that packages are installed there
        with pytest.raises(VettingFailed, match="No module named 'onnx'"):
            vetter.vet(str(path))
    assert vetter.vet(str(path)).name == "m"


def test_a_child_imports_nothing_from_folders_in_which_no_packages_are_installed(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for module in ("sitecustomize", "usercustomize", "onnx"):
        (planted / f"{module}.py").write_text("raise SystemExit('a stranger runs')")
    monkeypatch.setattr(sys, "path", [str(planted), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(planted))
    monkeypatch.chdir(planted)
    assert vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", classes=14))).name == "m"


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
    eventually(lambda: not children(), "the end of the child")
    assert vetter.vet(str(tiny_classifier(tmp_path / "m.onnx", classes=7))).name == "m"


def test_closing_amid_vetting_leaves_no_process_and_no_folder(tmp_path: Path, shared_cache: ArtefactCache) -> None:
    vetter = Vetter(LocalStorage(), shared_cache)
    path = model_files.never_returns(tmp_path / "m.onnx")
    with ThreadPoolExecutor(1) as pool:
        vetting = pool.submit(vetter.vet, str(path))
        eventually(lambda: any(map(has_begun, shared_cache.folder.glob(".work-*"))), "vetting to begin")
        vetter.close()
        with pytest.raises(VettingStopped):
            vetting.result()
    assert not children()
    assert not list(shared_cache.folder.glob(".work-*"))
    with pytest.raises(VettingStopped):
        vetter.vet(str(path))


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    model = model_files.never_returns(tmp_path / "m.onnx")
    command = [sys.executable, "-m", "tests.models.vetting.vetting_parent", str(tmp_path / "cache"), str(model)]
    with subprocess.Popen(command, cwd=ROOT) as parent:
        eventually(lambda: any(map(has_begun, (tmp_path / "cache").glob(".work-*"))), "vetting to begin")
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    child.wait(60)
    ArtefactCache(tmp_path / "cache").sweep()
    assert not list((tmp_path / "cache").iterdir())


def test_a_child_imports_keras_without_what_keras_can_do_without() -> None:
    imported = run_module("tests.models.vetting.what_is_imported").split()
    assert {"keras", "tensorflow"} <= set(imported)
    assert not {"matplotlib", "pandas", "sklearn"} & set(imported)


@pytest.fixture
def taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Vetter]:
    """A vetter whose children are another program, of these tests."""

    def by(program: str) -> Vetter:
        (tmp_path / "models/vetting").mkdir(parents=True)
        for package in ("models", "models/vetting"):
            (tmp_path / package / "__init__.py").touch()
        shutil.copyfile(Path(__file__).with_name(program), tmp_path / "models/vetting/child.py")
        monkeypatch.setattr("models.confinement.places.PROJECT", tmp_path)
        return Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"))

    return by


def test_what_a_child_leaves_running_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken_over: Callable[[str], Vetter]
) -> None:
    left = tmp_path / "left"
    monkeypatch.setenv("PYTHON_LEFT_BEHIND", str(left))
    vetter = taken_over("leaving_child.py")
    assert rejection(lambda: vetter.vet(str(tiny_classifier(tmp_path / "m.onnx")))).fault is ModelFault.CRASHED
    assert _is_gone(int(left.read_text()))


@pytest.mark.parametrize("what", ["bytes", "files"])
def test_a_child_that_fills_the_disk_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken_over: Callable[[str], Vetter], what: str
) -> None:
    monkeypatch.setenv("PYTHON_FILLS_WITH", what)
    monkeypatch.setattr("models.vetting.child_process._LEAST_WRITTEN", 1 << 20)
    vetter = taken_over("filling_child.py")
    refused = rejection(lambda: vetter.vet(str(tiny_classifier(tmp_path / "m.onnx"))))
    assert refused.fault is ModelFault.TOO_LARGE
    assert "vetting it wrote over 1 MiB, or 10,000 files" in refused.detail


def test_a_process_that_has_left_its_group_is_ended_all_the_same() -> None:
    leaves = "import os, sys; os.setpgid(0, os.getpgid(os.getppid())); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", leaves],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        end_group(process)
        assert process.wait(60) == -signal.SIGKILL


def test_what_a_child_says_at_its_beginning_is_read_only_where_it_is_short(tmp_path: Path) -> None:
    say_begun(tmp_path, 0, ["no Landlock"])
    assert begun(tmp_path) == Begun(0, ["no Landlock"])
    say_begun(tmp_path, 0, ["x" * 100_000])
    assert begun(tmp_path) is None


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).wait(60) is None
    except psutil.NoSuchProcess:
        return True


def test_a_child_that_gets_no_processor_is_begun_anew_with_a_claim_to_one(
    tmp_path: Path, vetter: Vetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []

    class Watched(ChildProcess):
        def __init__(self, keras: bool, workspace: AbstractContextManager[Path], hurried: bool = False) -> None:
            begun.append(hurried)
            super().__init__(keras, workspace, hurried)

        def is_starved(self) -> bool:
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: float, waited: float, starved: bool
) -> None:
    with contextlib.closing(ChildProcess(keras=False, workspace=contextlib.nullcontext(tmp_path))) as child:
        statistics = f"{ran * 1e9:.0f} {waited * 1e9:.0f} 7\n"
        monkeypatch.setattr(Path, "read_text", lambda path: statistics)
        assert child.is_starved() is starved
