#!/usr/bin/env bash
# peft 0.21.2: layers_to_transform=[] adapts every layer.
#
# Guess: layers_to_transform lists the layers that get an adapter, so that an empty list (the layers that a pruner left whole, say, when
#   there are none) adapts none, or raises as a list of layers that do not exist does.
# What happens: the empty list counts as no list, and every layer gets its LoRA. 0 as a number is taken for layer 0.
#
# Seen 2026-11-29:
#   [1]: layers [1]
#   0: layers [0]
#   []: layers [0, 1, 2]
#   [7]: NoMatchingPeftModuleError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

sizes = dict(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=3, num_attention_heads=1)
for layers in [[1], 0, [], [7]]:
    try:
        lora = LoraConfig(target_modules=["q_proj"], layers_to_transform=layers)
        names = get_peft_model(LlamaForCausalLM(LlamaConfig(**sizes)), lora).targeted_module_names
        print(f"{layers}: layers {[int(name.split('.')[2]) for name in names]}")
    except Exception as error:
        print(f"{layers}: {type(error).__name__}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
[1]: layers [1]
0: layers [0]
[]: layers [0, 1, 2]
[7]: NoMatchingPeftModuleError
EXPECTED
