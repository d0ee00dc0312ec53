"""Timbre transfer with Pix2Pix on magnitude spectrograms."""
