"""Drawings of runs, each with the numbers that are drawn in it.

A file belongs here if it uses matplotlib: each function returns a :class:`~reporting.figures.figure.ReportFigure`,
which is written as PNG, PDF and CSV. What a page draws in the browser belongs in ``templates``.
"""
