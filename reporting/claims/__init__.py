"""The paper's claims, and whether its own numbers and those of the runs support them.

Code belongs here if it judges statements of the paper: each module returns a :class:`~reporting.claims.claim.Finding`
per statement and corpus. The layout of findings belongs in ``tables``, the computation of numbers in ``estimates``.
"""
