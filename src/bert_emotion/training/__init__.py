"""Training room: vocabulary, encoder, fine-tuning. Needs the ``train`` extra (torch, transformers)."""
