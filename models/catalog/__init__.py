"""The catalog: what models a user can choose to download, as data. One TOML file a family, read into ``entry``."""
