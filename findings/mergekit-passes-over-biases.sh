#!/usr/bin/env bash
# mergekit 0.1.5 (transformers 5.24.0): the biases of a LLaMA are not merged, and the result claims to have them.
#
# Guess: a merge carries over every tensor of the models; a passthrough of one model with all its layers gives that model back, also
#   where attention_bias or mlp_bias is on, or where a pruner added biases that make up for what it removed.
# What happens: for LLaMA the names of tensors come from a list without biases, and what is not in it is left out without an error. The
#   config is copied with attention_bias true, so that the result loads with biases that are missing from it.
#
# Seen 2026-11-29:
#   no biases: tensors 21 of 21
#   attention_bias: tensors 21 of 29, missing on loading 8, config says attention_bias True
#   mlp_bias: tensors 21 of 27, missing on loading 6, config says attention_bias False
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet mergekit==0.1.5 transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge
from transformers import LlamaConfig, LlamaForCausalLM

sizes = dict(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=1)
for number, (words, more) in enumerate([("no biases", {}), ("attention_bias", {"attention_bias": True}),
                                        ("mlp_bias", {"mlp_bias": True})]):
    name, merged = f"model{number}", f"merged{number}"
    model = LlamaForCausalLM(LlamaConfig(**sizes, **more))
    model.save_pretrained(name)
    plan = {"merge_method": "passthrough", "slices": [{"sources": [{"model": name, "layer_range": [0, 2]}]}]}
    run_merge(MergeConfiguration.model_validate(plan), merged,
              MergeOptions(quiet=True, write_model_card=False, copy_tokenizer=False))
    loaded, report = LlamaForCausalLM.from_pretrained(merged, output_loading_info=True)
    missing, whole = len(report["missing_keys"]), len(model.state_dict())
    rest = f", missing on loading {missing}, config says attention_bias {loaded.config.attention_bias}" if missing else ""
    print(f"{words}: tensors {whole - missing} of {whole}{rest}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
no biases: tensors 21 of 21
attention_bias: tensors 21 of 29, missing on loading 8, config says attention_bias True
mlp_bias: tensors 21 of 27, missing on loading 6, config says attention_bias False
EXPECTED
