"""Evaluation room: metrics, calibration, the 13 examples, speed."""
