"""Outcomes of clips -> numbers of a table (spec section 7).

Each number is a pure function of per-clip tensors over S, the test clips that the victim classifies correctly when
clean, beside it a :class:`torchmetrics.Metric` of the same meaning where batches and processes have to be put together.
A number that gets an interval takes ``weights``, how often each clip counts, so that one resampling of sources serves
every number and every victim. Nothing here knows what an input is or how it was attacked.

``success`` and ``rates`` judge and count clips; ``auc``, ``auc_ovr`` and ``auc_budget`` are the three areas;
``distances`` and ``medians`` the size of a perturbation; ``batch_gradients``, ``budget_mean`` and ``cost`` its price;
``transfer_ratio`` what carries over; ``intervals`` how sure a number is. Functions are imported from these modules.
"""
