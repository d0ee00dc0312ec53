"""The continuous model: a variational auto-encoder of mel spectra that is told the loudness.

Based on the continuous model of Caillon, Bitton, Gatinet and Esling 2020 (arXiv:2008.01370).
"""
