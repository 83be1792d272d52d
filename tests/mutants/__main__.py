"""Plants faults in the core, one at a time, and tells which of them no test sees: `make mutants`.

mutmut makes the faults. Its own runner measures the whole suite first and forks out of a process that has imported
everything, which TensorFlow's and Beam's threads do not survive; so this takes a sample of them, and runs each, in a
copy of the tree, against the tests that are for its file.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from tests.mutants.choice import chosen_for

_T = TypeVar("_T")

ROOT = Path(__file__).parents[2]
CORE = ("models", "transforms", "beam_pipeline")


def core_files(only: str) -> list[str]:
    """The files of the core, or of one file or folder of it. What `__init__.py` says is only what a package offers."""
    files = [file for folder in CORE for file in (ROOT / folder).rglob("*.py") if file.name != "__init__.py"]
    under = ROOT / only.rstrip("/")
    return sorted(str(file.relative_to(ROOT)) for file in files if file.is_relative_to(under))


@dataclass(frozen=True)
class Mutant:
    """A file of the core with one fault in it."""

    file: str
    line: int
    change: str
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n{self.change}"


def faults_of(file: str) -> list[Callable[[], Mutant]]:
    """All that mutmut makes of a file, from its first line to its last; each is written out when it is called."""
    from mutmut.mutation.file_mutation import create_mutations  # only the tool's own environment has it

    code = (ROOT / file).read_text(encoding="utf-8")
    module, mutations, *_ = create_mutations(file, code)

    def written(mutation: Any) -> Mutant:
        mutated = module.deep_replace(mutation.original_node, mutation.mutated_node).code
        diff = list(difflib.unified_diff(code.splitlines(), mutated.splitlines(), n=0, lineterm=""))[2:]
        line = int(diff[0].split()[1].lstrip("-").split(",")[0])
        return Mutant(file, line, "\n".join(f"    {text}" for text in diff if text[0] != "@"), mutated)

    # Words for people are left alone, as are logs (pyproject.toml): no test should hold them.
    return [partial(written, each) for each in mutations if " " not in getattr(each.original_node, "raw_value", "")]


def sample(faults: Sequence[_T], count: int, seed: int) -> list[_T]:
    """`count` of them in chance order: one of each of as many equal slices, so they spread over files and lines."""
    chance = random.Random(seed)
    if 0 < count < len(faults):
        ends = [len(faults) * at // count for at in range(count + 1)]
        faults = [faults[chance.randrange(begin, end)] for begin, end in pairwise(ends)]
    return chance.sample(faults, len(faults))


class Copy:
    """A copy of the tree, in which tests are run; whatever happens, the tree itself holds no fault."""

    def __init__(self, folder: Path, python: Path) -> None:
        self._root = folder / "tree"
        self._temporary = folder / "tmp"
        self._python = python
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in listed.stdout.split("\0"):
            if name and (ROOT / name).is_file():
                (self._root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self._root / name)

    def passes(self, tests: Sequence[str], seconds: float) -> bool:
        """Whether the tests pass in time. Bytecode is neither kept nor trusted: two faults may look alike to it."""
        command = [str(self._python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        process = subprocess.Popen(
            [*command, "--basetemp", str(self._temporary)],
            cwd=self._root,
            env=os.environ | {"PYTHONPATH": str(self._root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def survives(self, mutant: Mutant, tests: Sequence[str], seconds: float) -> bool:
        """Whether the tests pass in spite of the fault."""
        file = self._root / mutant.file
        try:
            file.write_text(mutant.code, encoding="utf-8")
            return self.passes(tests, seconds)
        finally:
            shutil.copyfile(ROOT / mutant.file, file)


def run(copy: Copy, chosen: Sequence[Callable[[], Mutant]], tests: Sequence[str]) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, and whether it survived. The tests must pass without it; it may take three times as long as they."""
    patience: dict[tuple[str, ...], float] = {}
    begun = time.monotonic()
    for at, written in enumerate(chosen, 1):
        mutant = written()
        its = tuple(tests or chosen_for(mutant.file))
        if its not in patience:
            print(f"without any fault: {' '.join(its)}", flush=True)
            started = time.monotonic()
            if not copy.passes(its, 1800):
                sys.exit(f"error: these fail by themselves: {' '.join(its)}")
            patience[its] = 20 + 3 * (time.monotonic() - started)
        survived = copy.survives(mutant, its, patience[its])
        left = (time.monotonic() - begun) / at * (len(chosen) - at) / 60
        word = "SURVIVED" if survived else "found   "
        print(f"{at:4}/{len(chosen)} {word} {mutant.file}:{mutant.line} (about {left:.0f} min left)", flush=True)
        yield mutant, survived


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="the Python that runs the tests")
    parser.add_argument("--only", default="", help="a file or folder of the core")
    parser.add_argument("--tests", nargs="*", default=[], help="tests to run instead of those that are for each file")
    parser.add_argument("--mutants", type=int, default=200, help="how many; 0 is all")
    parser.add_argument("--seed", type=int, default=1, help="which")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.chdir(ROOT)  # mutmut reads pyproject.toml here
    print("reading the core", flush=True)
    faults = [fault for file in core_files(options.only) for fault in faults_of(file)]
    if not faults:
        parser.error(f"nothing to mutate in {options.only}; the core is {', '.join(CORE)}")
    chosen = sample(faults, options.mutants, options.seed)
    print(f"{len(chosen)} of {len(faults)} mutants, seed {options.seed}", flush=True)
    results: list[tuple[Mutant, bool]] = []
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        try:
            results.extend(run(Copy(Path(folder), options.python.absolute()), chosen, options.tests))
        except KeyboardInterrupt:
            print("\nended early", flush=True)
    report(results)


def report(results: Sequence[tuple[Mutant, bool]]) -> None:
    """Prints the survivors, then found and run for each file and for all."""
    survivors = sorted((mutant for mutant, survived in results if survived), key=lambda m: (m.file, m.line))
    for mutant in survivors:
        print(f"\n{mutant}")
    of_file = Counter(mutant.file for mutant, _ in results)
    alive = Counter(mutant.file for mutant in survivors)
    print()
    for file, count in sorted(of_file.items()):
        print(f"{count - alive[file]:4}/{count:<4} {file}")
    print(f"found {len(results) - len(survivors)} of {len(results)}", end="")
    print(f": {1 - len(survivors) / len(results):.0%}" if results else "")


if __name__ == "__main__":
    main()
