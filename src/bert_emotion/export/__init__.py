"""Export room: a trained folder becomes an int8 ONNX model folder. Needs the ``export`` extra."""
