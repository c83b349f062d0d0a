#!/usr/bin/env bash
# transformers 5.24.0: a shard index without "metadata" does not load, with an error that names neither file nor cure.
#
# Guess: model.safetensors.index.json is read for its weight_map; "metadata" (a total size that nothing needs to load a
#   tensor) may be missing, as in an index written by hand or by a tool that only places tensors in shards.
# What happens: from_pretrained raises KeyError: 'metadata'.
#
# Seen 2026-11-29:
#   with metadata: loads
#   with an empty metadata: loads
#   without metadata: KeyError('metadata')
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import json
from transformers import LlamaConfig, LlamaForCausalLM

sizes = dict(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained("model", max_shard_size="1KB")
path = "model/model.safetensors.index.json"
whole = json.load(open(path))
places = {"weight_map": whole["weight_map"]}
for words, index in [("with metadata", whole), ("with an empty metadata", {"metadata": {}, **places}),
                     ("without metadata", places)]:
    json.dump(index, open(path, "w"))
    try:
        LlamaForCausalLM.from_pretrained("model")
        print(f"{words}: loads")
    except Exception as error:
        print(f"{words}: {error!r}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
with metadata: loads
with an empty metadata: loads
without metadata: KeyError('metadata')
EXPECTED
