# The server, without Beam and TensorFlow.
#
#   docker build -f launch/container/serving.Dockerfile -t REGISTRY/hotswap-serving:TAG .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL -p 8500:8500 -p 8501:8501 -v $PWD/models:/models:ro \
#     REGISTRY/hotswap-serving:TAG --models '/models/*.onnx' --insecure
#
# All that it writes goes to /tmp: what is compiled, and what is being vetted.

FROM python:3.11.14-slim-bookworm AS build
RUN python -m venv /opt/hotswap
ENV PATH=/opt/hotswap/bin:$PATH
WORKDIR /build
COPY launch/container/serving-requirements.txt ./
RUN pip install --no-cache-dir -r serving-requirements.txt && pip check
COPY setup.py pyproject.toml MANIFEST.in README.md LICENSE ./
COPY models models
COPY transforms transforms
COPY serving serving
COPY databases databases
COPY fleet fleet
COPY studio studio
COPY beam_pipeline beam_pipeline
COPY launch launch
# Its metadata name what the server does without, so nothing is resolved here.
RUN pip install --no-cache-dir --no-deps . && pip uninstall --quiet --yes pip setuptools

FROM python:3.11.14-slim-bookworm
COPY --from=build /opt/hotswap /opt/hotswap
RUN useradd --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin hotswap
ENV PATH=/opt/hotswap/bin:$PATH \
    HOTSWAP_CACHE=/tmp/hotswap-cache \
    MALLOC_ARENA_MAX=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
# By its number: whoever forbids root must see that it is none.
USER 10001:10001
EXPOSE 8500 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-m", "launch.health", "live"]
# Beyond this machine it listens only with --tls-cert and --tls-key, or --insecure, spelt out.
ENTRYPOINT ["hotswap", "serve", "--host", "0.0.0.0"]
