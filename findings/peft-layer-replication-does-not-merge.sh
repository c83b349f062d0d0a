#!/usr/bin/env bash
# peft 0.21.2: merging a LoRA with layer_replication changes what the model says, and the merged model cannot be saved.
#
# Guess: merge_and_unload() gives a plain model with the output of the adapted one, also where layer_replication stacked some layers
#   twice; the copies become layers of their own and are saved as such.
# What happens: the copies still share the base weight, so that the difference of each copy is added to both. Nothing is said.
#   Without a replicated layer the merge is exact. save_pretrained of the merged model raises over the shared tensors; cloned by hand,
#   it saves the wrong sums.
#
# Seen 2026-11-29:
#   layers 0, 2 (one dropped): same output after the merge True, save_pretrained saves
#   layers 0, 1, 1, 2 (one twice): same output after the merge False, save_pretrained RuntimeError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

sizes = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
             initializer_range=0.5)
ids = torch.arange(1, 13)[None]
for words, ranges in [("layers 0, 2 (one dropped)", [[0, 1], [2, 3]]), ("layers 0, 1, 1, 2 (one twice)", [[0, 2], [1, 3]])]:
    torch.manual_seed(0)
    lora = LoraConfig(layer_replication=ranges, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = get_peft_model(LlamaForCausalLM(LlamaConfig(**sizes)), lora).eval()
    with torch.no_grad():
        before = adapted(input_ids=ids).logits
        merged = adapted.merge_and_unload()
        same = torch.allclose(before, merged(ids).logits, atol=1e-3)
    try:
        merged.save_pretrained("merged")
        saved = "saves"
    except Exception as error:
        saved = type(error).__name__
    print(f"{words}: same output after the merge {same}, save_pretrained {saved}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
layers 0, 2 (one dropped): same output after the merge True, save_pretrained saves
layers 0, 1, 1, 2 (one twice): same output after the merge False, save_pretrained RuntimeError
EXPECTED
