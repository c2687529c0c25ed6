"""Figures of runs, each with the numbers plotted in it.

Code belongs here if it uses matplotlib: each function returns a :class:`~reporting.figures.figure.ReportFigure`, which
is written as PNG, PDF and CSV. Charts drawn in the browser belong in ``templates``.
"""
