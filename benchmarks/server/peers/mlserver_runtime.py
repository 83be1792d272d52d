"""The runtime that MLServer serves: `mlserver start FOLDER`, where the folder's settings name this class."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from classifier import Classifier
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Classification(MLModel):  # type: ignore[misc]  # of another environment
    """Answers `images` (encoded) or `tensor` with `scores` and `classes`."""

    async def load(self) -> bool:
        """See `MLModel.load`."""
        self._classifier = Classifier(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """See `MLModel.predict`."""
        asked = payload.inputs[0]
        data = getattr(asked.data, "root", asked.data)
        images = data if asked.name == "images" else np.asarray(data, np.float32).reshape(asked.shape)
        scores = await asyncio.get_running_loop().run_in_executor(None, self._classifier.scores, images)
        classes = scores.argmax(axis=1)[:, None]
        outputs = [NumpyCodec.encode_output("scores", scores), NumpyCodec.encode_output("classes", classes)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
