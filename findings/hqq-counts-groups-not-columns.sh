#!/usr/bin/env bash
# hqq 0.2.8.post1 (torch 2.15.0): whether a weight can be quantized to 4 bits depends on an even number of groups, not on its width.
#
# Guess: with groups of 64 along the rows (axis 1), the width of a layer has to be a multiple of 64; the number of neurons is free.
# What happens: groups run over the whole weight, across the ends of rows, so that 48 columns are fine. What fails is an odd number of
#   groups: two values share a byte, and the halves of the list of groups are packed onto each other. A layer of 64 columns and 27
#   neurons, each a group of its own, raises a RuntimeError about the sizes 13 and 14. At 3 bits, where the packing fills up, it works;
#   at 2 bits the number has to be a multiple of 4.
#
# Seen 2026-11-29:
#   48 columns, 64 neurons, 4 bits: quantized
#   64 columns, 28 neurons, 4 bits: quantized
#   64 columns, 27 neurons, 4 bits: RuntimeError
#   64 columns, 27 neurons, 3 bits: quantized
#   64 columns, 26 neurons, 2 bits: RuntimeError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet hqq==0.2.8.post1 torch==2.15.0 numpy==2.4.6
cat > show.py <<'PY'
import torch
from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

for columns, neurons, bits in [(48, 64, 4), (64, 28, 4), (64, 27, 4), (64, 27, 3), (64, 26, 2)]:
    layer = torch.nn.Linear(columns, neurons, bias=False)
    config = BaseQuantizeConfig(nbits=bits, group_size=64, axis=1)
    try:
        shape = HQQLinear(layer, config, compute_dtype=torch.float32, device="cpu").dequantize().shape
        found = "quantized" if shape == (neurons, columns) else f"shape {tuple(shape)}"
    except Exception as error:
        found = type(error).__name__
    print(f"{columns} columns, {neurons} neurons, {bits} bits: {found}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
48 columns, 64 neurons, 4 bits: quantized
64 columns, 28 neurons, 4 bits: quantized
64 columns, 27 neurons, 4 bits: RuntimeError
64 columns, 27 neurons, 3 bits: quantized
64 columns, 26 neurons, 2 bits: RuntimeError
EXPECTED
