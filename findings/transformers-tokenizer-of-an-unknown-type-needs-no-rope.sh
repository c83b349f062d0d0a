#!/usr/bin/env bash
# transformers 5.24.0: AutoTokenizer fails where config.json is of a model type that it does not know and rotary scaling is in it.
#
# Guess: a tokenizer has nothing to do with rotary settings, so that AutoTokenizer opens tokenizer.json beside any config.json. Of an
#   unknown model type it says that it may not be meant, and goes on; mlx-lm and others leave their tokenizers to it for types of
#   their own.
# What happens: it builds a bare configuration of the keys, and there a scaling of the types llama3, yarn and longrope asks for
#   max_position_embeddings before that key is set: AttributeError, though the file has it. Other scalings open, and so does the
#   same file under the name of a known type.
#
# Seen 2026-11-29:
#   unknown type, no scaling: opens
#   unknown type, linear: opens
#   unknown type, llama3: AttributeError
#   unknown type, yarn: AttributeError
#   llama, llama3: opens
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 tokenizers==0.23.3 numpy==2.4.6
cat > show.py <<'PY'
import json
import os
import tokenizers
from transformers import AutoTokenizer

SCALINGS = {
    "no scaling": None,
    "linear": {"rope_type": "linear", "factor": 2.0},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64},
    "yarn": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64},
}
os.mkdir("model")
tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, []))
tokenizer.save("model/tokenizer.json")
json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, open("model/tokenizer_config.json", "w"))

def show(words, kind, scaling):
    keys = {"model_type": kind, "hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "vocab_size": 2,
            "max_position_embeddings": 128, "rope_theta": 10000.0, "rope_scaling": SCALINGS[scaling]}
    json.dump(keys, open("model/config.json", "w"))
    try:
        AutoTokenizer.from_pretrained("model").encode("ab")
        print(f"{words}, {scaling}: opens")
    except Exception as error:
        print(f"{words}, {scaling}: {type(error).__name__}")

for scaling in SCALINGS:
    show("unknown type", "nemotron-nas", scaling)
show("llama", "llama", "llama3")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
unknown type, no scaling: opens
unknown type, linear: opens
unknown type, llama3: AttributeError
unknown type, yarn: AttributeError
llama, llama3: opens
EXPECTED
