"""Who made a model: OpenSSF Model Signing's signatures, each in a file beside its model's."""
