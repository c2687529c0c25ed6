"""Attack a network of your own: a module from inputs of any shape to logits.

.venv/bin/python examples/attack_your_own_model.py
"""

import torch
from torch import nn

from attacks import DeepFool

torch.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 20 * 30, 5))  # yours: inputs to logits, not to probabilities
inputs = torch.rand(8, 3, 20, 30)  # yours: any shape, every value within the bounds
labels = model(inputs).argmax(dim=1)  # yours: true labels; inputs misclassified when clean are not attacked
outcome = DeepFool(model, bounds=(0.0, 1.0)).run(inputs, labels)
right = outcome.select(outcome.logits_clean.argmax(dim=1) == labels)
print(f"fooling rate {right.success.double().mean():.0%} of {len(right)} inputs classified correctly when clean")
print(f"gradients per input {right.gradients.double().mean():.1f}, median l2 {right.l2.median():.4f}")
