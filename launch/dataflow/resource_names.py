"""What names of Google Cloud resources may look like, as Google documents it.

The patterns are kept to what Python, JavaScript and RE2 read alike: the Flex Template's metadata holds the same ones.
"""

from __future__ import annotations

import re

from models.images.paths import BUCKET_NAME

PROJECT = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
"""https://cloud.google.com/resource-manager/docs/creating-managing-projects; a domain may precede it."""
REGION = r"[a-z]+-[a-z]+[0-9]+"
"""https://cloud.google.com/dataflow/docs/resources/locations"""
BUCKET = BUCKET_NAME
JOB_NAME = r"[a-z]([a-z0-9-]{0,1022}[a-z0-9])?"
"""https://cloud.google.com/dataflow/docs/reference/rest/v1b3/projects.locations.jobs#Job"""
MACHINE_TYPE = r"[a-z][a-z0-9]*(-[a-z0-9]+)+"
SERVICE_ACCOUNT = (
    r"([a-z][a-z0-9-]{4,28}[a-z0-9]@([a-z0-9.-]+\.)?[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com"
    r"|[0-9]+-compute@developer\.gserviceaccount\.com)"
)
NETWORK = r"(projects/[a-z0-9.:-]+/global/networks/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
SUBNETWORK = (
    r"(https://www\.googleapis\.com/compute/v1/projects/[a-z0-9.:-]+/)?"
    r"regions/[a-z]+-[a-z]+[0-9]+/subnetworks/[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
)
LABEL_KEY = r"[a-z][a-z0-9_-]{0,62}"
LABEL_VALUE = r"[a-z0-9_-]{0,63}"
IMAGE = r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})"
"""A registry, a path, and a tag or digest: without one the image of a running job could change under it."""
ACCELERATOR = r"nvidia-[a-z0-9-]+(:[1-9][0-9]?)?"

_DUAL_REGIONS = {
    "ASIA1": ("asia-northeast1", "asia-northeast2"),
    "EUR4": ("europe-north1", "europe-west4"),
    "EUR5": ("europe-west1", "europe-west2"),
    "EUR7": ("europe-west2", "europe-west3"),
    "EUR8": ("europe-west3", "europe-west6"),
    "NAM4": ("us-central1", "us-east1"),
}
_MULTI_REGIONS = {"US": "us-", "EU": "europe-", "ASIA": "asia-"}


def fits(pattern: str, name: str) -> bool:
    """Whether the whole of `name` is what `pattern` describes."""
    return re.fullmatch(pattern, name) is not None


def is_in_region(location: str, region: str, data_locations: tuple[str, ...] = ()) -> bool:
    """Whether a bucket's data is in a region, or in a multi-region or dual region around it.

    Args:
        location: the bucket's, e.g. `US-CENTRAL1`, `EU`, `NAM4`.
        region: of the job.
        data_locations: the two regions of a bucket whose dual region was chosen freely.
    """
    location = location.upper()
    regions = (location, *data_locations, *(name.upper() for name in _DUAL_REGIONS.get(location, ())))
    around = _MULTI_REGIONS.get(location)
    return region.upper() in (name.upper() for name in regions) or bool(around and region.startswith(around))
