#!/usr/bin/env bash
# onnxruntime 1.32.0 (onnx 1.23.2): loading a model whose head is the transposed embedding makes a second embedding.
#
# Guess: a session keeps the shared embedding of a tied model once, and so does the file that optimized_model_filepath asks for.
# What happens: constant folding, on at the basic level and above, computes Transpose of the embedding once and for all and keeps both: the
#   optimized file has two embeddings, as if the model had never been tied. With
#   Gemm(transB=1), the other way to write a tie, or with optimization off it stays one.
#
# Seen 2026-11-29:
#   Transpose and MatMul, basic: 201 KB to 394 KB, embeddings 2
#   Transpose and MatMul, disabled: 201 KB to 202 KB, embeddings 1
#   Gemm, basic: 201 KB to 202 KB, embeddings 1
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > show.py <<'PY'
import os
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng, rows, width = np.random.default_rng(0), 1000, 48
weights = {"embedding": (rows, width), "middle": (width, width)}
body = [helper.make_node("Gather", ["embedding", "ids"], ["x"]), helper.make_node("MatMul", ["x", "middle"], ["y"])]
turned = [helper.make_node("Transpose", ["embedding"], ["turned"], perm=[1, 0]),
          helper.make_node("MatMul", ["y", "turned"], ["logits"])]
gemm = [helper.make_node("Gemm", ["y", "embedding"], ["logits"], transB=1)]
levels = {"basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
          "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL}
for words, head, level in [("Transpose and MatMul", turned, "basic"), ("Transpose and MatMul", turned, "disabled"),
                           ("Gemm", gemm, "basic")]:
    graph = helper.make_graph(
        body + head, "model", [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", rows])],
        [numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name) for name, shape in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "model.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = levels[level]
    options.optimized_model_filepath = "optimized.onnx"
    onnxruntime.InferenceSession("model.onnx", options)
    count = sum(np.prod(weight.dims) == rows * width for weight in onnx.load("optimized.onnx").graph.initializer)
    sizes = [round(os.path.getsize(name) / 1000) for name in ("model.onnx", "optimized.onnx")]
    print(f"{words}, {level}: {sizes[0]} KB to {sizes[1]} KB, embeddings {count}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
Transpose and MatMul, basic: 201 KB to 394 KB, embeddings 2
Transpose and MatMul, disabled: 201 KB to 202 KB, embeddings 1
Gemm, basic: 201 KB to 202 KB, embeddings 1
EXPECTED
