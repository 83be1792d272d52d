"""What a model is: its reference, card, vetting, engines, the set of live models, and publishing.

Nothing in this package imports Beam or a cloud client, so that a device without either can run it with
NumPy, Pillow and ONNX Runtime alone.
"""
