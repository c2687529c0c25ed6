"""Sweeps: the YAML file as Weights & Biases reads it, its points, and how they are run on this machine.

A file belongs here if it is about many settings at once. What is done for one setting are the other commands, started
as programs of their own.
"""
