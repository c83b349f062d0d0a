#!/usr/bin/env bash
# transformers 5.24.0: Gemma 3 reads attn_logit_softcapping and computes its scores without the cap.
#
# Guess: a cap on the scores that a Gemma 3 configuration names counts as Gemma 2's does; its attention keeps the number, and the
#   function that computes the scores has an argument for it.
# What happens: the attention does not hand the number on. Any cap leaves the logits as they are, without a word. The cap on the
#   logits, final_logit_softcapping, counts in both.
#
# Seen 2026-11-29:
#   Gemma2: a cap on the scores changes the logits: True, a cap on the logits: True
#   Gemma3: a cap on the scores changes the logits: False, a cap on the logits: True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0
cat > show.py <<'PY'
import torch
import transformers

SHAPE = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=8, pad_token_id=None)

def logits(kind, config, scores, logits):
    torch.manual_seed(0)
    model = kind(config(**SHAPE, attn_logit_softcapping=scores, final_logit_softcapping=logits,
                        attn_implementation="eager")).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.5)
    with torch.no_grad():
        return model(torch.arange(12)[None]).logits

for name, config in [("Gemma2", transformers.Gemma2Config), ("Gemma3", transformers.Gemma3TextConfig)]:
    kind = getattr(transformers, f"{name}ForCausalLM")
    plain = logits(kind, config, None, None)
    moved = [not torch.equal(logits(kind, config, *caps), plain) for caps in [(0.5, None), (None, 0.5)]]
    print(f"{name}: a cap on the scores changes the logits: {moved[0]}, a cap on the logits: {moved[1]}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
Gemma2: a cap on the scores changes the logits: True, a cap on the logits: True
Gemma3: a cap on the scores changes the logits: False, a cap on the logits: True
EXPECTED
