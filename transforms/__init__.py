"""PTransforms and DoFns, one idea a file: images, models, inference, results, dead letters."""
