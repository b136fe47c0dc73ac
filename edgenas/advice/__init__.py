"""What does a file cost needlessly? Findings about an ONNX file on a device, and that file without them."""
