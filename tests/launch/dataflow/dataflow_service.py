"""A stand-in for Dataflow's API: takes jobs as the service does, keeps what it was sent, and runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.serving_http import serving

_JOBS = r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs"


class DataflowService:
    """Attributes:
    endpoint: for `--dataflow_endpoint`.
    received: the jobs, as they were sent, with the project and region that they were sent to.
    running: jobs that run already, by name; value: the job's id.
    states: what a job is said to be each time that it is asked for; the last one stays.
    refusal: HTTP status and message with which new jobs are refused.
    """

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.running: dict[str, str] = {}
        self.states = ["JOB_STATE_RUNNING"]
        self.refusal: tuple[int, str] | None = None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if re.fullmatch(_JOBS, path):
                    jobs = [
                        {"id": job_id, "name": name, "currentState": "JOB_STATE_RUNNING"}
                        for name, job_id in service.running.items()
                    ]
                    self._answer(200, {"jobs": jobs})
                elif found := re.fullmatch(_JOBS + "/(?P<job>[^/]+)", path):
                    state = service.states.pop(0) if len(service.states) > 1 else service.states[0]
                    self._answer(200, {"id": found["job"], "currentState": state})
                else:
                    self._answer(404, {"error": {"code": 404, "message": f"no {path}"}})

            def do_POST(self) -> None:
                found = re.fullmatch(_JOBS, urlsplit(self.path).path)
                job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if found is None:
                    self._answer(404, {"error": {"code": 404, "message": f"no {self.path}"}})
                elif service.refusal is not None:
                    status, message = service.refusal
                    self._answer(status, {"error": {"code": status, "message": message}})
                else:
                    service.received.append(job | {"sent to": (found["project"], found["region"])})
                    self._answer(200, job | {"id": f"job-{len(service.received)}"})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://localhost:{self.http.server_port}"


@contextmanager
def dataflow_service() -> Iterator[DataflowService]:
    """A running stand-in."""
    service = DataflowService()
    with serving(service.http):
        yield service
