"""How the embedded model was made, and the layout of a DeepSeek V4 GGUF for writers."""
