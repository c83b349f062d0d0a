"""How fast llama.cpp runs a LLaMA or Phi checkpoint on this machine's CPU, weights and KV cache in f32: medians, as one
JSON line.

The file is written as `crates/dress-models/tests/parity/check_llama_cpp.py` writes it; the times are llama.cpp's own.

usage: python llama_cpp_speed.py DIR [--seqlen 1024] [--repeats 3] [--threads 2] [--pre smollm]
"""
import argparse
import importlib.metadata
import json
import pathlib
import statistics
import sys
import tempfile

import xllamacpp

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "crates/dress-models/tests/parity"))
from check_llama_cpp import write

parser = argparse.ArgumentParser()
parser.add_argument("directory", type=pathlib.Path)
parser.add_argument("--seqlen", type=int, default=1024)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--pre", default="smollm")
args = parser.parse_args()
PROMPT, NEW = 64, 32

with tempfile.TemporaryDirectory() as work:
    path = pathlib.Path(work) / "model.gguf"
    write(args.directory, path, args.pre)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = args.seqlen + NEW
    params.n_batch = params.n_ubatch = args.seqlen
    params.n_parallel = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    server = xllamacpp.Server(params)

    def timings(prompt, new):
        ids = [i * 7919 % 2000 for i in range(prompt)]
        answer = server.handle_completions({"prompt": ids, "n_predict": new, "temperature": 0.0, "ignore_eos": True,
                                            "cache_prompt": False})
        answer = json.loads(answer) if isinstance(answer, str) else answer
        return answer["timings"]

    timings(PROMPT, 4)
    prefill = [timings(args.seqlen, 1)["prompt_per_second"] for _ in range(args.repeats)]
    decode = [timings(PROMPT, NEW)["predicted_per_second"] for _ in range(args.repeats)]
print(json.dumps({"last_tokens_per_second": statistics.median(prefill),
                  "decode_tokens_per_second": statistics.median(decode),
                  "xllamacpp": importlib.metadata.version("xllamacpp")}))
