"""Packages the job for installation, and for Dataflow's workers (`--setup_file`).

`edge/` packages `models` alone, from the same tree, for devices. Both distributions hold `models`: install one of them.
The ranges are here; `make lock` writes the exact versions to `requirements.txt` and `tests/requirements.txt`.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
ROOMS = ("models", "transforms", "serving", "databases", "fleet", "studio", "beam_pipeline", "launch")
# Read, not imported: a build has nothing of what `models` may need.
VERSION = re.search(r'^VERSION = "([^"]+)"', (ROOT / "models/version.py").read_text(encoding="utf-8"), re.M)[1]

setup(
    name="hotswap-inference",
    version=VERSION,
    description="Streaming image inference on Apache Beam whose model is replaced while it runs",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=[f"{name}*" for name in ROOMS]),
    package_data={
        "launch.dataflow": ["flex_template/*.json", "container/*"],
        "serving.messages": ["*.binpb"],
        "serving.over_http": ["*.json"],
        "fleet": ["*.json"],
        "studio": ["page/*"],
        "launch.trial_report": ["templates/*"],
        "studio.retraining": ["conf/*.yml", "conf/base/*.yml", "pyproject.toml", ".telemetry"],
    },
    install_requires=[
        "apache-beam[gcp]>=2.77,<2.78",
        "tensorflow>=2.19,<3",
        "keras>=3.13,<4",
        "tf-keras>=2.19,<3",  # reads what Keras 2 saved
        "tf2onnx>=1.16,<2",
        "onnx>=1.18,<2",
        "onnxruntime>=1.20,<2",
        "openvino>=2026.2,<2027",
        "h5py>=3.12,<4",
        "pillow>=11,<13",
        # Pillow resizes where it has no wheel.
        "cykooz-resizer>=4,<5; platform_machine in 'x86_64 AMD64' or sys_platform == 'darwin'",
        "numpy>=2,<3",
        "scipy>=1.15,<2",  # the statistics of a trial
        "google-cloud-pubsub>=2.28,<3",
        "google-cloud-storage>=2.18,<4",
        "obstore>=0.8,<1",  # writes to s3:// and az://
        "pyyaml>=6,<7",
        "packaging>=24,<27",
        "cryptography>=45,<51",
        "model-signing>=1.1,<2",
        "pyopenssl>=25,<27",  # model-signing imports it, and has not said so since sigstore gave it up
        "psutil>=6,<8",
        # What the server speaks with, and what it tells of itself.
        "grpcio>=1.71,<2",
        "grpcio-health-checking>=1.71,<2",
        "grpcio-reflection>=1.71,<2",
        "starlette>=0.46,<2",
        "uvicorn>=0.34,<1",
        "httptools>=0.6.3,<1",
        "orjson>=3.10,<4",
        "pybase64>=1.4,<2",  # ten times as fast as the standard library, and images come so over HTTP
        "prometheus-client>=0.21,<1",
        "opentelemetry-sdk>=1.30,<2",
        "opentelemetry-exporter-otlp-proto-grpc>=1.30,<2",
        # Where a fleet's devices and what each is to run are kept.
        "sqlalchemy>=2.0.40,<3",
        "alembic>=1.14,<2",
        "psycopg[binary]>=3.2,<4",
        "rich>=13,<16",
        "jinja2>=3.1,<4",  # the report of a trial
        "typer>=0.15,<1",
    ],
    extras_require={
        # Device twins of an IoT hub. Its client imports six, and does not say so.
        "azure": ["azure-iot-hub>=2.7,<3", "six>=1.16,<2"],
        "demo": ["scikit-learn>=1.5,<2"],
        "bench": ["matplotlib>=3.9,<4"],
        # The page; Kedro retrains the handwriting model.
        "studio": ["kedro>=1.7,<2", "scikit-learn>=1.5,<2", "sse-starlette>=3,<4", "pyarrow>=14"],
    },
    entry_points={"console_scripts": ["hotswap = launch.cli:main"]},
)
