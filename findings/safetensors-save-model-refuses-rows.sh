#!/usr/bin/env bash
# safetensors 0.8.0, huggingface_hub 2.4.0: a weight that is the first rows of a larger tensor can be saved by save_file alone.
#
# Guess: a weight sliced in place (weight.data = weight.data[:12], a contiguous view) is written with its twelve rows by save_model
#   and save_torch_state_dict, which are there to handle more than save_file does (shared tensors), as save_file writes it.
# What happens: both raise a RuntimeError that speaks of names to remove and of storing more memory than needed, although no name
#   is to be removed and save_file writes just the rows. A tied weight, for which they are made, they save. Cloning the slice helps.
#
# Seen 2026-11-29:
#   a whole weight: save_file 384 bytes, save_model 384 bytes, save_torch_state_dict 384 bytes
#   the first rows of a larger one: save_file 384 bytes, save_model RuntimeError, save_torch_state_dict RuntimeError
#   the rows, cloned: save_file 384 bytes, save_model 384 bytes, save_torch_state_dict 384 bytes
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet safetensors==0.8.0 huggingface_hub==2.4.0 torch==2.15.0 numpy==2.4.6
cat > show.py <<'PY'
import os
import torch
from huggingface_hub import save_torch_state_dict
from safetensors import safe_open
from safetensors.torch import save_file, save_model

def outcome(save, path):
    try:
        save(path)
        with safe_open(path, "pt") as file:
            return f"{file.get_tensor('weight').nbytes} bytes"
    except Exception as error:
        return type(error).__name__

os.mkdir("hub")
big = torch.randn(24, 8)
for words, weight in [("a whole weight", torch.randn(12, 8)), ("the first rows of a larger one", big[:12]),
                      ("the rows, cloned", big[:12].clone())]:
    model = torch.nn.Linear(8, 12, bias=False)
    model.weight.data = weight
    state = model.state_dict()
    print(f"{words}: save_file {outcome(lambda path: save_file(state, path), 'file.safetensors')},",
          f"save_model {outcome(lambda path: save_model(model, path), 'model.safetensors')},",
          f"save_torch_state_dict {outcome(lambda _: save_torch_state_dict(state, 'hub'), 'hub/model.safetensors')}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
a whole weight: save_file 384 bytes, save_model 384 bytes, save_torch_state_dict 384 bytes
the first rows of a larger one: save_file 384 bytes, save_model RuntimeError, save_torch_state_dict RuntimeError
the rows, cloned: save_file 384 bytes, save_model 384 bytes, save_torch_state_dict 384 bytes
EXPECTED
