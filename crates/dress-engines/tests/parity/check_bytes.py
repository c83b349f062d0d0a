"""Has llama.cpp quantize a checkpoint, and compares the file with what `dress inspect --for` counts.

`dress export` writes the checkpoint in f32, and libllama quantizes that as `llama-quantize` does (`libllama.py` says where it is
from; BINS is the `bins/linux-x64` of its package). Prints a JSON line a format: bytes of all tensors and what was counted, how many
matrices have which type, and how many are left in 16 bits or more. Exits with 1 where the bytes are more than 1% off or more or
fewer matrices are left than was counted.

usage: python check_bytes.py DIR --dress FILE --libllama BINS [--format q8_0 ...] [--keep DIR]
"""
import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf

import libllama


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--dress", required=True)
    parser.add_argument("--format", action="append", choices=list(libllama.TYPES))
    parser.add_argument("--libllama", required=True, type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for the files")
    args = parser.parse_args()
    formats, wrong, library = args.format or ["q8_0", "q4_k_m"], 0, libllama.load(args.libllama)
    names = ",".join(f"llama.cpp:{name}" for name in formats)
    served = run(args.dress, "inspect", "--model", args.directory, "--for", names, "--json")["served"]
    with contextlib.ExitStack() as stack:
        work = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = work / "f32.gguf"
        run(args.dress, "export", "--model", args.directory, "--type", "f32", "--out", source, "--force", "--json")
        for name, report in zip(formats, served):
            target = work / f"{name}.gguf"
            if not libllama.quantize(library, source, target, name):
                sys.exit(f"{name}: llama.cpp refuses the model")
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
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
