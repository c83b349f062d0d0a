#!/usr/bin/env bash
# transformers 5.24.0: a sliding_window in the config of a LLaMA windows the key-value cache and nothing else.
#
# Guess: LLaMA has no sliding window, so that a sliding_window left in its config.json (by a conversion from Mistral's, say) is
#   ignored; or else it counts in every forward pass.
# What happens: one forward pass over the whole text ignores it, and so does generate() without a cache. With the cache, which is what
#   generate() does unless told otherwise, keys beyond the window are dropped, and the greedy text is another one. Perplexity is that
#   of the full model, and the text is not.
#
# Seen 2026-11-29:
#   logits of one pass equal those without the key: True
#   without the key, greedy text with and without a cache equal: True
#   with sliding_window 4, greedy text with and without a cache equal: False
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=4, max_position_embeddings=64, initializer_range=0.5)

def model(**more):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE, **more)).eval()

def text(model, cache):
    how = dict(max_new_tokens=12, do_sample=False, use_cache=cache, eos_token_id=None, pad_token_id=0)
    return model.generate(ids, **how)[0].tolist()

ids = torch.arange(1, 13)[None]
plain, windowed = model(), model(sliding_window=4)
with torch.no_grad():
    print("logits of one pass equal those without the key:", torch.equal(plain(ids).logits, windowed(ids).logits))
    for words, which in [("without the key", plain), ("with sliding_window 4", windowed)]:
        print(f"{words}, greedy text with and without a cache equal:", text(which, True) == text(which, False))
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
logits of one pass equal those without the key: True
without the key, greedy text with and without a cache equal: True
with sliding_window 4, greedy text with and without a cache equal: False
EXPECTED
