"""Writes rows of numbers and their blocks as the `gguf` package of llama.cpp rounds them.

`../fixtures/quantized.safetensors` has `numbers` in f32, among them rows of zeros, of ties, of one sign and of very large
and very small numbers, and the bytes of every row in Q8_0, Q4_0, F16 and BF16.
Run with the versions in ../fixtures/VERSIONS.txt.

usage: python make_quantized.py
"""
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"


def rows():
    random = np.random.default_rng(11)
    ties = np.resize([-2.0, 2.0, 1.0, -1.0, 0.5, -0.5, 0.25, 1.5], 64)
    normal = [random.normal(0, scale, 64) for scale in (1, 1e-2, 1e-6, 300)]
    made = [np.zeros(64), ties, -ties, np.abs(normal[0]), -np.abs(normal[1]), np.full(64, 3e-9), *normal]
    made += [np.round(row * 127) / 127 for row in normal[:2]]
    made.append(np.where(np.arange(64) % 32 == 17, -7.0, normal[0]))
    return np.array(made, dtype=np.float32)


def main():
    numbers = rows()
    made = {kind.name: np.ascontiguousarray(gguf.quantize(numbers, kind)).view(np.uint8)
            for kind in (Type.Q8_0, Type.Q4_0, Type.F16, Type.BF16)}
    save_file({"numbers": numbers, **made}, FIXTURES / "quantized.safetensors")


if __name__ == "__main__":
    main()
