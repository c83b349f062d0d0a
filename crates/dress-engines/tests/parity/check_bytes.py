"""Has llama.cpp quantize a checkpoint, and compares the file with what `dress inspect --for` counts.

`dress export` writes the checkpoint in f32, and libllama (in the package llama-cpp-py-sync) quantizes that as `llama-quantize`
does. Prints a JSON line a format: bytes of all tensors and what was counted, and the matrices that are left in 16 bits or get
a larger type than most of their name. Exits with 1 where the bytes are more than 1% off or the types are not those counted.

usage: python check_bytes.py DIR --dress FILE [--format q8_0 ...] [--keep DIR]
"""
import argparse
import contextlib
import importlib.metadata
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import llama_cpp_py_sync._cffi_bindings as llama

TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7, "q4_k_m": 15, "q5_k_m": 17, "q6_k": 18, "iq4_xs": 30}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def quantize(source, target, name):
    lib = llama.get_lib()
    params = llama.get_ffi().new("llama_model_quantize_params *", lib.llama_model_quantize_default_params())
    params.ftype = TYPES[name]
    failed = lib.llama_model_quantize(str(source).encode(), str(target).encode(), params)
    if failed:
        sys.exit(f"{name}: llama.cpp refuses the model")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--dress", required=True)
    parser.add_argument("--format", action="append", choices=list(TYPES))
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for the files")
    args = parser.parse_args()
    formats, wrong = args.format or ["q8_0", "q4_k_m"], 0
    names = ",".join(f"llama.cpp:{name}" for name in formats)
    served = run(args.dress, "inspect", "--model", args.directory, "--for", names, "--json")["served"]
    with contextlib.ExitStack() as stack:
        work = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = work / "f32.gguf"
        run(args.dress, "export", "--model", args.directory, "--type", "f32", "--out", source, "--force", "--json")
        for name, report in zip(formats, served):
            target = work / f"{name}.gguf"
            quantize(source, target, name)
            tensors = gguf.GGUFReader(target).tensors
            matrices = [tensor for tensor in tensors if len(tensor.shape) > 1]
            left = sum(tensor.tensor_type.name in ("F32", "F16", "BF16") for tensor in matrices)
            expected = sum(like["matrices"] for like in report["unquantized"])
            written = sum(int(tensor.n_bytes) for tensor in tensors)
            off = written / report["bytes"] - 1
            wrong |= abs(off) > 0.01 or (left != expected and name != "f16")
            counts = {}
            for tensor in matrices:
                counts[tensor.tensor_type.name] = counts.get(tensor.tensor_type.name, 0) + 1
            print(json.dumps({"format": name, "bytes": written, "counted": report["bytes"], "off": round(off, 5),
                              "unquantized": left, "unquantized_counted": expected, "types": counts,
                              "file": target.stat().st_size}), flush=True)
    print(json.dumps({"versions": {name: importlib.metadata.version(name) for name in ("llama-cpp-py-sync", "gguf")}}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
