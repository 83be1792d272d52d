"""Every check, in the order in which they are made."""

from __future__ import annotations

from launch.doctor.cloud import credentials, emulators
from launch.doctor.engines import libraries, vetting_works
from launch.doctor.findings import Check
from launch.doctor.installation import bytecode, names, packages, python_version
from launch.doctor.machine import cache, confinement, memory, optional_tools

CHECKS: dict[str, Check] = {
    "Python": python_version,
    "packages": packages,
    "bytecode": bytecode,
    "names": names,
    "engines": libraries,
    "vetting": vetting_works,
    "confinement": confinement,
    "the cache": cache,
    "memory": memory,
    "credentials": credentials,
    "emulators": emulators,
    "optional tools": optional_tools,
}
"""By their titles."""
