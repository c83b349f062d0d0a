#!/usr/bin/env bash
# mergekit 0.1.5 (transformers 5.24.0): a slice of layers of a Qwen ends in a validation error of its config.
#
# Guess: a passthrough over some of the layers, which is what mergekit is used for to drop or repeat layers, works alike for LLaMA
#   and Qwen, which are in its list of architectures.
# What happens: mergekit sets num_hidden_layers alone. Qwen2's and Qwen3's configs have a layer_types with an entry a layer, also where
#   all are full attention and config.json came from the library itself; the new count is refused and nothing is merged.
#   LLaMA has no such key and works.
#
# Seen 2026-11-29:
#   LlamaForCausalLM: all layers, merged; two of three, merged, 2 layers
#   Qwen2ForCausalLM: all layers, merged; two of three, StrictDataclassClassValidationError
#   Qwen3ForCausalLM: all layers, merged; two of three, StrictDataclassClassValidationError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet mergekit==0.1.5 transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import json
import transformers
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge

sizes = dict(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=3, num_attention_heads=1,
             num_key_value_heads=1, head_dim=8)

def outcome(name, *ranges):
    slices = [{"sources": [{"model": name, "layer_range": list(layers)}]} for layers in ranges]
    plan = {"merge_method": "passthrough", "slices": slices}
    try:
        run_merge(MergeConfiguration.model_validate(plan), f"merged{len(ranges)}-{name}",
                  MergeOptions(quiet=True, write_model_card=False, copy_tokenizer=False))
        return "merged"
    except Exception as error:
        return type(error).__name__

for family in ("Llama", "Qwen2", "Qwen3"):
    kind = getattr(transformers, f"{family}ForCausalLM")
    kind(getattr(transformers, f"{family}Config")(**sizes)).save_pretrained(family)
    whole, part = outcome(family, (0, 3)), outcome(family, (0, 1), (2, 3))
    count = f", {json.load(open(f'merged2-{family}/config.json'))['num_hidden_layers']} layers" if part == "merged" else ""
    print(f"{kind.__name__}: all layers, {whole}; two of three, {part}{count}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
LlamaForCausalLM: all layers, merged; two of three, merged, 2 layers
Qwen2ForCausalLM: all layers, merged; two of three, StrictDataclassClassValidationError
Qwen3ForCausalLM: all layers, merged; two of three, StrictDataclassClassValidationError
EXPECTED
