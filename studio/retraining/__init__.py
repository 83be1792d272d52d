"""A Kedro project that retrains the handwriting model from corrections, and publishes it where it is better.

Nothing is imported here: whoever needs the digits alone needs neither Kedro nor Keras.
"""
