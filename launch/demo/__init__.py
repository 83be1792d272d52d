"""The demonstration: handwritten digits stream through the local run while the model is replaced twice."""
