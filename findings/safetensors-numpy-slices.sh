#!/usr/bin/env bash
# safetensors 0.8.0: get_slice takes fewer indices with the numpy framework than with torch, and fewer than numpy itself.
#
# Guess: get_slice reads a part of a tensor by the rules of the framework that safe_open was given; it is what a pruner uses to
#   read the kept rows without the rest, so that a list of rows, a start counted from the end and an end beyond the size work.
# What happens: they work with framework "pt" and raise with "np": a list a SafetensorError (not implemented), a negative start an
#   OverflowError, an end beyond the size a SafetensorError about an index, an empty range a SystemError.
#
# Seen 2026-11-29:
#   [[0, 2]]: numpy (2, 6), safetensors SafetensorError
#   [:, [1, 3]]: numpy (8, 2), safetensors SafetensorError
#   [-3:]: numpy (3, 6), safetensors OverflowError
#   [0:100]: numpy (8, 6), safetensors SafetensorError
#   [5:2]: numpy (0, 6), safetensors SystemError
#   [::2]: numpy (4, 6), safetensors (4, 6)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet safetensors==0.8.0 numpy==2.4.6
cat > show.py <<'PY'
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

whole = np.arange(48, dtype=np.float32).reshape(8, 6)
save_file({"weight": whole}, "model.safetensors")
with safe_open("model.safetensors", "np") as file:
    part = file.get_slice("weight")
    for words, index in [("[0, 2]", [0, 2]), (":, [1, 3]", (slice(None), [1, 3])), ("-3:", slice(-3, None)),
                         ("0:100", slice(0, 100)), ("5:2", slice(5, 2)), ("::2", slice(None, None, 2))]:
        try:
            found = part[index].shape
        except Exception as error:
            found = type(error).__name__
        print(f"[{words}]: numpy {whole[index].shape}, safetensors {found}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
[[0, 2]]: numpy (2, 6), safetensors SafetensorError
[:, [1, 3]]: numpy (8, 2), safetensors SafetensorError
[-3:]: numpy (3, 6), safetensors OverflowError
[0:100]: numpy (8, 6), safetensors SafetensorError
[5:2]: numpy (0, 6), safetensors SystemError
[::2]: numpy (4, 6), safetensors (4, 6)
EXPECTED
