"""From folders of runs to tables, figures, tests and one page, each next to the paper's numbers.

The paper is M. Esmaeilpour, P. Cardinal and A. L. Koerich, *From Sound Representation to Model Robustness*, 2020
(arXiv:2007.13703, version 3 of January 2021). ``reporting/paper/table1.csv`` to ``table5.csv`` hold the numbers of its
Tables I to V: one row per model in I to IV and one row per pair of models in V; accuracies, and the AUC of Table IV,
are in percent.

``runs`` reads folders and ``selection`` keeps the runs that may be compared in one table; ``studies`` finds the runs of
each table or figure; ``estimates``, ``accuracy`` and ``transfers`` compute the numbers; ``tables``, ``figures`` and
``claims`` present and judge them; ``page`` assembles the report. Code belongs here if it reads finished runs. Nothing
here attacks, trains or needs a GPU, and a number that other code could use belongs in ``metrics``.
"""
