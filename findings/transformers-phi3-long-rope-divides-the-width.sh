#!/usr/bin/env bash
# transformers 5.24.0: with LongRoPE, Phi-3's configuration takes the width of a head from the width and the heads, and its model
# from head_dim.
#
# Guess: a Phi3Config that has a head_dim is checked by it: as many divisors as half of the dimensions that are rotated.
# What happens: the check divides hidden_size by num_attention_heads whatever head_dim says, so that a pruned width is refused whose
#   model would compute: the attention and the rotary table read head_dim. Without LongRoPE nothing is checked.
#
# Seen 2026-11-29:
#   two heads of 8 on 16 channels: plain taken, longrope taken
#   two heads of 8 on 12 channels: plain taken, longrope StrictDataclassClassValidationError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
from transformers import Phi3Config

LONG_ROPE = dict(rope_type="longrope", short_factor=[1.0] * 4, long_factor=[2.0] * 4)

def verdict(**keys):
    try:
        Phi3Config(vocab_size=32, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, head_dim=8,
                   max_position_embeddings=64, original_max_position_embeddings=32, pad_token_id=None, **keys)
        return "taken"
    except Exception as error:
        return type(error).__name__

for width in (16, 12):
    plain, longrope = verdict(hidden_size=width), verdict(hidden_size=width, rope_parameters=dict(LONG_ROPE))
    print(f"two heads of 8 on {width} channels: plain {plain}, longrope {longrope}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
two heads of 8 on 16 channels: plain taken, longrope taken
two heads of 8 on 12 channels: plain taken, longrope StrictDataclassClassValidationError
EXPECTED
