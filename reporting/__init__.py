"""Folders of runs -> tables, figures, tests and one page, each beside the paper's numbers.

The paper is M. Esmaeilpour, P. Cardinal and A. L. Koerich, *From Sound Representation to Model Robustness*, 2020
(arXiv:2007.13703, version 3 of January 2021). ``reporting/paper/table1.csv`` to ``table5.csv`` hold the numbers of its
Tables I to V, a row a model in I to IV and a row a pair of models in V; accuracies and Table IV's AUC are percent.

``runs`` reads folders; ``selection`` keeps those that may stand in one table; ``studies`` says which settings each
table and figure compares and ``slices`` finds their runs; ``estimates`` averages the runs of a cell; ``accuracy``
resamples recordings for accuracies, ``transfer_difference`` for transfers; ``tables``, ``figures`` and ``curves`` lay
out; ``association`` and the ``claims`` modules judge; ``assembly`` and ``page`` bind all of it. Nothing here attacks or
needs a GPU, and every number comes from ``metrics``, most of them by way of a run's ``summary.json``.
"""
