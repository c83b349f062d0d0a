#!/usr/bin/env bash
# peft 0.21.2: an adapter of a deeper model loads on the one with fewer layers, and what is left over is not mentioned.
#
# Guess: an adapter trained on four layers does not load where one layer was pruned, or it loads with a warning that names the
#   weights for which there is no module, as it warns the other way round and raises for a width that does not fit.
# What happens: the weights of layers that are not there are dropped without a word, and the others go by number. After a middle layer was
#   removed (and the model saved, so that its layers are counted anew) each layer behind it gets the adapter of its neighbour.
#
# Seen 2026-11-29:
#   4 layers on 4: loads, 0 warnings, layers whose adapter is used 4 of 4
#   4 layers on 3: loads, 0 warnings, layers whose adapter is used 3 of 4
#   4 layers on 5: loads, 1 warnings, layers whose adapter is used 4 of 4
#   4 layers on another width: RuntimeError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.2 transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import warnings
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

def model(layers, width=8):
    sizes = dict(vocab_size=8, hidden_size=width, intermediate_size=8, num_hidden_layers=layers, num_attention_heads=1)
    return LlamaForCausalLM(LlamaConfig(**sizes))

lora = LoraConfig(target_modules=["q_proj"], init_lora_weights=False)
get_peft_model(model(4), lora).save_pretrained("adapter")
saved = [key for key in load_file("adapter/adapter_model.safetensors") if "lora_A" in key]
for words, base in [("4", model(4)), ("3", model(3)), ("5", model(5)), ("another width", model(4, width=12))]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            adapted = PeftModel.from_pretrained(base, "adapter").state_dict()
        except Exception as error:
            print(f"4 layers on {words}: {type(error).__name__}")
            continue
    count = sum("adapter" in str(warning.message) or "key" in str(warning.message) for warning in caught)
    used = sum(key.replace("lora_A", "lora_A.default") in adapted for key in saved)
    print(f"4 layers on {words}: loads, {count} warnings, layers whose adapter is used {used} of {len(saved)}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
4 layers on 4: loads, 0 warnings, layers whose adapter is used 4 of 4
4 layers on 3: loads, 0 warnings, layers whose adapter is used 3 of 4
4 layers on 5: loads, 1 warnings, layers whose adapter is used 4 of 4
4 layers on another width: RuntimeError
EXPECTED
