#!/usr/bin/env bash
# transformers 5.24.0: a rope_scaling beside rope_parameters resets the rotary base to 10000.
#
# Guess: where an exporter adds the older rope_scaling to a config that has rope_parameters, the two are merged, or the newer
#   key wins; in any case a base of 500000, which stands in rope_parameters alone, is kept.
# What happens: a rope_scaling that is not empty replaces rope_parameters whole, and the base comes from a top-level rope_theta or
#   is 10000. The model loads without a word and every position is rotated by other angles.
#
# Seen 2026-11-29:
#   rope_parameters alone: base 500000.0
#   rope_scaling beside it: base 10000.0
#   rope_scaling beside it and a rope_theta at the top: base 500000.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0
cat > show.py <<'PY'
from copy import deepcopy
from transformers import LlamaConfig

new = {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}
old = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}
for words, keys in [
    ("rope_parameters alone", new),
    ("rope_scaling beside it", {**new, **old}),
    ("rope_scaling beside it and a rope_theta at the top", {**new, **old, "rope_theta": 500000.0}),
]:
    config = LlamaConfig.from_dict(deepcopy({"model_type": "llama", **keys}))
    print(f"{words}: base {config.rope_parameters['rope_theta']}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
rope_parameters alone: base 500000.0
rope_scaling beside it: base 10000.0
rope_scaling beside it and a rope_theta at the top: base 500000.0
EXPECTED
