#!/usr/bin/env bash
# optipfair 0.4.2 (transformers 5.24.0): a SmolLM3 pruned in depth says something else once it was saved and loaded.
#
# Guess: prune_model(pruning_type="DEPTH") renumbers the layers and adapts the config (it does so for layer_types), so that the saved
#   model, which loads without a word, is the one that was pruned and evaluated.
# What happens: no_rope_layers, which says by number which layers have rotary positions, keeps its old length and order. In memory
#   each layer still knows what it was; on loading the layers behind the gap take what stood for others. transformers checks the
#   length of layer_types and not this one. A model without that key (Qwen3) reloads as it was.
#
# Seen 2026-11-29:
#   Qwen3ForCausalLM: 6 layers, layer_types 6, reloads equal: True
#   SmolLM3ForCausalLM: 6 layers, layer_types 6, no_rope_layers 8, reloads equal: False
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet optipfair==0.4.2 transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import torch
from optipfair import prune_model
from transformers import Qwen3Config, Qwen3ForCausalLM, SmolLM3Config, SmolLM3ForCausalLM

sizes = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=8, num_attention_heads=4,
             num_key_value_heads=2, pad_token_id=0, initializer_range=0.3)
ids = torch.arange(1, 13)[None]
for config, kind in [(Qwen3Config, Qwen3ForCausalLM), (SmolLM3Config, SmolLM3ForCausalLM)]:
    torch.manual_seed(0)
    pruned = prune_model(kind(config(**sizes)), pruning_type="DEPTH", layer_indices=[1, 2], show_progress=False).eval()
    pruned.save_pretrained("pruned")
    loaded = kind.from_pretrained("pruned").eval()
    with torch.no_grad():
        equal = torch.allclose(pruned(ids).logits, loaded(ids).logits, atol=1e-4)
    lengths = [f"{key} {len(value)}" for key in ("layer_types", "no_rope_layers") if (value := getattr(pruned.config, key, None))]
    print(f"{kind.__name__}: {len(loaded.model.layers)} layers, {', '.join(lengths)}, reloads equal: {equal}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
Qwen3ForCausalLM: 6 layers, layer_types 6, reloads equal: True
SmolLM3ForCausalLM: 6 layers, layer_types 6, no_rope_layers 8, reloads equal: False
EXPECTED
