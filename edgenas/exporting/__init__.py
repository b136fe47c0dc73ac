"""What leaves? ONNX files, verified, with their cards."""
