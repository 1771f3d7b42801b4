"""nnexp schema: the config's JSON Schema."""

from __future__ import annotations

import json

import click

from nnexp.cli.output import put


@click.command()
def schema() -> None:
    """Print the JSON Schema of configs, which lets an editor complete and explain them.

    \b
    Example:
      nnexp schema > nnexp.schema.json
    """
    from nnexp.config.schema import schema as config_schema

    put(json.dumps(config_schema(), indent=2, ensure_ascii=False))
