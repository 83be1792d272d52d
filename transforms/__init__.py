"""PTransforms and DoFns, one idea a file, and what they share in a process: storage, publishers, counters."""
