"""What a server tells Prometheus."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def metric(http: str, name: str, **labels: str) -> float:
    """The sum of all samples of a name.

    Args:
        http: where the server speaks HTTP, `HOST:PORT`.
        name: of the samples, `hotswap_queue_images` say.
        labels: that they have, among others.
    """
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=60) as response:
        text = response.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
