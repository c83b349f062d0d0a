#!/usr/bin/env bash
# transformers 5.24.0: after layers were dropped in memory, generate() works as long as num_hidden_layers is wrong.
#
# Guess: where layers are removed from model.model.layers, the count in the config has to be set to be right, and generate() then
#   works; with the old count left in place the cache would count layers that are not there.
# What happens: with the old count, text with and without the cache is the same, whichever layer went. With the right one the cache has
#   a slot less than the number that a later layer still carries as its layer_idx, and generate() ends in an IndexError
#   that names neither. The forward pass with use_cache=False does not notice; saved and loaded again it works.
#
# Seen 2026-11-29:
#   first layer dropped: old count True, right count IndexError, reloaded True
#   second layer dropped: old count True, right count IndexError, reloaded True
#   last layer dropped: old count True, right count True, reloaded True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
             max_position_embeddings=64, initializer_range=0.5)

def text(model, cache):
    how = dict(max_new_tokens=12, do_sample=False, use_cache=cache, eos_token_id=None, pad_token_id=0)
    return model.generate(torch.arange(1, 13)[None], **how)[0].tolist()

def same(model):
    try:
        return text(model, True) == text(model, False)
    except Exception as error:
        return type(error).__name__

for words, gone in [("first", 0), ("second", 1), ("last", 3)]:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    del model.model.layers[gone]
    old = same(model)
    model.config.num_hidden_layers = 3
    right = same(model)
    model.save_pretrained("model")
    reloaded = same(LlamaForCausalLM.from_pretrained("model").eval())
    print(f"{words} layer dropped: old count {old}, right count {right}, reloaded {reloaded}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
first layer dropped: old count True, right count IndexError, reloaded True
second layer dropped: old count True, right count IndexError, reloaded True
last layer dropped: old count True, right count True, reloaded True
EXPECTED
