"""What does an ONNX file cost? Reading, shape inference, kernel fusion, and a latency for each kernel."""
