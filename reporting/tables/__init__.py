"""Tables of runs, and how they are written as Markdown, CSV and LaTeX.

Code belongs here if it arranges rows and columns: numbers next to the paper's in a
:class:`~reporting.tables.table.Table`, text and verdicts in a :class:`~reporting.tables.plain.PlainTable`. Nothing here
computes or judges a number.
"""
