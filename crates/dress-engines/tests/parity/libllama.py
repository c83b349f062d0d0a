"""`llama_model_quantize` of a prebuilt libllama, by ctypes.

The library is that of node-llama-cpp's prebuilt package (`npm pack @node-llama-cpp/linux-x64@3.22.1`, libllama v0.5.0):
llama.cpp's Python packages that run on an older glibc have no function that quantizes.
"""
import ctypes
import pathlib

TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7, "q4_k_m": 15, "q5_k_m": 17, "q6_k": 18, "iq4_xs": 30}


class Params(ctypes.Structure):
    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int), ("output_tensor_type", ctypes.c_int),
                ("token_embedding_type", ctypes.c_int), ("allow_requantize", ctypes.c_bool),
                ("quantize_output_tensor", ctypes.c_bool), ("only_copy", ctypes.c_bool), ("pure", ctypes.c_bool),
                ("keep_split", ctypes.c_bool), ("dry_run", ctypes.c_bool), ("imatrix", ctypes.c_void_p),
                ("kv_overrides", ctypes.c_void_p), ("tt_overrides", ctypes.c_void_p), ("prune_layers", ctypes.c_void_p),
                ("room", ctypes.c_byte * 128)]


def load(directory):
    """The library in the `bins/linux-x64` of the package."""
    directory = pathlib.Path(directory)
    whole = [ctypes.CDLL(str(next(directory.glob(name))), mode=ctypes.RTLD_GLOBAL)
             for name in ("libggml-base*.so", "libggml.v*.so", "libllama.v*.so")]
    ggml, library = whole[1], whole[2]
    ggml.ggml_backend_load_all_from_path(str(directory).encode())
    library.llama_model_quantize_default_params.restype = Params
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
    library.llama_model_quantize.restype = ctypes.c_uint32
    return library


def quantize(library, source, target, name, without_layers=()):
    """Writes `target`; returns whether llama.cpp did."""
    params = library.llama_model_quantize_default_params()
    params.ftype = TYPES[name]
    layers = (ctypes.c_int32 * (len(without_layers) + 1))(*without_layers, -1)
    if without_layers:
        params.prune_layers = ctypes.cast(layers, ctypes.c_void_p)
    return library.llama_model_quantize(str(source).encode(), str(target).encode(), params) == 0
