"""Tables of runs, and how they are written as Markdown, CSV and LaTeX.

A file belongs here if it lays out rows and columns: numbers beside the paper's in a
:class:`~reporting.tables.table.Table`, words and judgements in a :class:`~reporting.tables.plain.PlainTable`. Nothing
here computes a number or judges one.
"""
