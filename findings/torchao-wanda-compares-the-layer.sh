#!/usr/bin/env bash
# torchao 0.18.0 (torch 2.15.0): WandaSparsifier does not compare within a row, and its blocks of 2:4 run over the ends of rows.
#
# Guess: the class names the Wanda paper, so that a sparsity of one half zeroes half of each row, the metric being compared among the
#   inputs of one output; with semi_structured_block_size=4 a row whose length is no multiple of 4 (a sliced layer) is refused.
# What happens: the metric is sorted over the whole layer, and rows of small weights go first and whole. Blocks of four are cut out of the
#   flattened weight: with 6 columns every second block has two columns of one row and two of the next. Only a number of weights that
#   is no multiple of 4 raises.
#
# Seen 2026-11-29:
#   half of 4 x 8, two rows a tenth as large: zeros a row [8, 8, 0, 0]
#   2:4 of 4 x 8: zeros a row [4, 4, 4, 4], a block of four columns [2, 2, 2, 2]
#   2:4 of 4 x 6, two rows a tenth as large: zeros a row [2, 4, 2, 4], the first four columns [2, 2, 2, 4]
#   2:4 of 3 x 7: RuntimeError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet torchao==0.18.0 torch==2.15.0 numpy==2.4.6
cat > show.py <<'PY'
import torch
from torchao.sparsity import WandaSparsifier

def zeros(rows, columns, scale, **how):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(columns, rows, bias=False))
    with torch.no_grad():
        model[0].weight.uniform_(1, 2).mul_(torch.tensor(scale)[:, None])
    sparsifier = WandaSparsifier(sparsity_level=0.5, **how)
    sparsifier.prepare(model, [{"tensor_fqn": "0.weight"}])
    model(torch.ones(5, columns))
    sparsifier.step()
    sparsifier.squash_mask()
    return model[0].weight == 0

gone = zeros(4, 8, [0.1, 0.1, 1.0, 1.0])
print(f"half of 4 x 8, two rows a tenth as large: zeros a row {gone.sum(1).tolist()}")
gone = zeros(4, 8, [1.0] * 4, semi_structured_block_size=4)
print(f"2:4 of 4 x 8: zeros a row {gone.sum(1).tolist()}, a block of four columns {gone[:, :4].sum(1).tolist()}")
gone = zeros(4, 6, [1.0, 0.1, 1.0, 0.1], semi_structured_block_size=4)
print(f"2:4 of 4 x 6, two rows a tenth as large: zeros a row {gone.sum(1).tolist()}, the first four columns {gone[:, :4].sum(1).tolist()}")
try:
    zeros(3, 7, [1.0] * 3, semi_structured_block_size=4)
    print("2:4 of 3 x 7: pruned")
except Exception as error:
    print(f"2:4 of 3 x 7: {type(error).__name__}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
half of 4 x 8, two rows a tenth as large: zeros a row [8, 8, 0, 0]
2:4 of 4 x 8: zeros a row [4, 4, 4, 4], a block of four columns [2, 2, 2, 2]
2:4 of 4 x 6, two rows a tenth as large: zeros a row [2, 4, 2, 4], the first four columns [2, 2, 2, 4]
2:4 of 3 x 7: RuntimeError
EXPECTED
