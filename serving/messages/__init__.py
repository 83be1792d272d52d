"""The messages of TensorFlow Serving's and of the Open Inference protocol, as their makers publish them."""

from pathlib import Path

PUBLISHED = Path(__file__).parent / "published.binpb"
"""A `FileDescriptorSet`, which `python -m serving.messages.collect` writes."""
