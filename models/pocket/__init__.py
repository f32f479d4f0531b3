"""How the built-in model `pocket` was made: data, autoencoder, denoiser, evaluation, export.

Nothing here is needed to run the app; the finished weights lie in assets/pocket. See README.md in this folder.
"""
