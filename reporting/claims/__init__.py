"""What the paper claims, and whether its numbers and those of the runs agree.

A file belongs here if it judges statements of the paper: each returns a :class:`~reporting.claims.claim.Finding` per
statement and corpus. How findings are laid out belongs in ``tables``, how numbers are computed in ``estimates``.
"""
