#!/usr/bin/env bash
# mlx-lm 0.32.2: reads every file named model*.safetensors, and of a tensor in several the one that is listed last.
#
# Guess: model.safetensors is read where it is there, as in transformers, or else the files that model.safetensors.index.json names. A copy
#   that was kept beside it, such as model-old.safetensors before pruning, does nothing.
# What happens: all files that begin with model and end with .safetensors are loaded one over the other, in the order in which the
#   directory lists them, which is no order. An old copy of the same shape replaces the new weights without a word, and an index that
#   does not name it changes nothing.
#
# Seen 2026-11-29:
#   model.safetensors alone: its weights
#   beside eight copies: those of the file that is listed last
#   the same with an index that names model.safetensors: those of the file that is listed last
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet mlx-lm==0.32.2 'mlx[cpu]==0.32.4'
cat > show.py <<'PY'
import glob
import json
import os
import pathlib
import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import llama
from mlx_lm.utils import load_model

KEYS = dict(model_type="llama", hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
            rms_norm_eps=1e-5, vocab_size=16, tie_word_embeddings=True, rope_theta=10000.0)
EMBEDDING = "model.embed_tokens.weight"
os.mkdir("model")
json.dump(KEYS, open("model/config.json", "w"))
written = {}

def write(name):
    weights = dict(tree_flatten(llama.Model(llama.ModelArgs.from_dict(KEYS)).parameters()))
    written[name] = weights[EMBEDDING] = mx.full(weights[EMBEDDING].shape, float(len(written)))
    mx.save_safetensors(f"model/{name}", weights)
    return weights

def show(words):
    found = load_model(pathlib.Path("model"))[0].model.embed_tokens.weight
    names = [name for name, weight in written.items() if mx.array_equal(found, weight)]
    last = os.path.basename(glob.glob("model/model*.safetensors")[-1])
    if len(written) == 1:
        print(f"{words}: its weights" if names == ["model.safetensors"] else f"{words}: {names}")
    else:
        print(f"{words}: those of the file that is listed last" if names == [last] else f"{words}: {names}")

tensors = write("model.safetensors")
show("model.safetensors alone")
for number in range(8):
    write(f"model-old-{number}.safetensors")
show("beside eight copies")
index = {"metadata": {}, "weight_map": {name: "model.safetensors" for name in tensors}}
json.dump(index, open("model/model.safetensors.index.json", "w"))
show("the same with an index that names model.safetensors")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
model.safetensors alone: its weights
beside eight copies: those of the file that is listed last
the same with an index that names model.safetensors: those of the file that is listed last
EXPECTED
