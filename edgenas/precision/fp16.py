"""fp16 models."""


def to_fp16(model: bytes) -> bytes:
    """Weights and arithmetic in fp16; inputs and outputs stay float32.

    Args:
        model: serialised fp32 ONNX.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    converted = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    OnnxModel(converted).topological_sort()  # the converter puts the cast of the input last
    return bytes(converted.SerializeToString())
