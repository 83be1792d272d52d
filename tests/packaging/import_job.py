"""Imports each package of the job, and says where they were found."""

import beam_pipeline.pipeline
import launch.local
import models
import transforms

if __name__ == "__main__":
    print(*(package.__file__ for package in (beam_pipeline, launch, models, transforms)), sep="\n")
