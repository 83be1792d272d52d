"""What a model is: its reference, card, vetting, engines, the set of live models, and releasing.

Nothing in this package needs Beam, nor a cloud client where no address is at `gs://`: a device without either answers
with NumPy, Pillow and ONNX Runtime; vetting on it also takes h5py, onnx and psutil.
"""
