"""Measurements of speed, memory, accuracy and coverage, many in comparison with other implementations.

Each benchmark is a script to be run from the checkout; ``benchmarks/README.md`` lists results. Code belongs here if
it only measures; nothing else imports it, and what a command or a test needs belongs in the package that it is about.
"""
