"""The page where digits are drawn and corrected, and the retraining of its model."""
