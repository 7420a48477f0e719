"""Frames behind DICOMweb."""
