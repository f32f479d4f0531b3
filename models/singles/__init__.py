"""Single-file models (a checkpoint, a bare denoiser, GGUF) used through a folder of configurations that stands for
them."""

from __future__ import annotations

from models.singles.prepare import Base, prepare

__all__ = ["Base", "prepare"]
