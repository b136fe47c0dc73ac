"""What does an ONNX file cost? Reading, shape inference, the kernels that run, and a latency for each."""
