#!/usr/bin/env bash
# torch 2.15.0: torch.nn.utils.prune on a tied embedding masks one of the two uses, and remove() changes the model's output.
#
# Guess: where head and embedding are one parameter, pruning the embedding prunes the head; remove() only makes the pruning permanent,
#   so that the output before and after it is the same.
# What happens: the mask reaches the module that was named and not the one that shares its weight: the head stays dense, and
#   this is what an evaluation or a fine-tuning before remove() sees. remove() then writes the masked values into the shared
#   parameter, and with it the head is pruned too. The saved model is another one than the one measured.
#
# Seen 2026-11-29:
#   pruned, columns of zeros: embedding 4, head 0
#   after remove(): embedding 4, head 4
#   output the same before and after remove(): False
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.15.0 numpy==2.4.6
cat > show.py <<'PY'
import torch
from torch import nn
from torch.nn.utils import prune

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.middle, self.head = nn.Embedding(16, 8), nn.Linear(8, 8), nn.Linear(8, 16, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(self.middle(self.embedding(ids)))

def zeros(module):
    return int((module.weight.abs().sum(0) == 0).sum())

torch.manual_seed(0)
model, ids = Tied(), torch.arange(16)
prune.ln_structured(model.embedding, "weight", amount=4, n=2, dim=1)
before = model(ids)
print(f"pruned, columns of zeros: embedding {zeros(model.embedding)}, head {zeros(model.head)}")
prune.remove(model.embedding, "weight")
print(f"after remove(): embedding {zeros(model.embedding)}, head {zeros(model.head)}")
print("output the same before and after remove():", torch.allclose(before, model(ids)))
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
pruned, columns of zeros: embedding 4, head 0
after remove(): embedding 4, head 4
output the same before and after remove(): False
EXPECTED
