"""Make a file from a template."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from flowrunner.step import Context, Outputs, Step


class TemplateOutputs(Outputs):
    """What `template` leaves for later steps."""

    path: str
    """The file that was made."""


class Template(Step):
    """Render a file with Jinja2 and keep the result with the run.

    The file has expressions as everywhere, `${{ board }}`, and Jinja2's statements, `{% for %}` and `{% if %}`. It sees
    what `values` gives it and nothing else.

    ```yaml
    steps:
      - id: script
        template:
          src: templates/boot.scr.j2
          values: {board: "${{ devices.dut.labels.board }}", servers: [10.0.0.1, 10.0.0.2]}
      - run: mkimage -T script -d ${{ steps.script.outputs.path }} boot.scr.uimg
    ```
    """

    shorthand = "src"
    kind = "setup"

    src: str
    """The template, relative to the pipeline's folder."""

    values: dict[str, Any] = {}
    """The names that it sees."""

    dest: str | None = None
    """The name of the file; that of the template without `.j2` when left out."""

    async def run(self, context: Context) -> TemplateOutputs:
        # Jinja2 is loaded when a template is rendered, not when a pipeline that names one is read.
        from flowrunner_steps._render import render

        source = context.path(self.src)
        name = Path(self.dest or source.name.removesuffix(".j2")).name
        text = await anyio.to_thread.run_sync(partial(render, source, self.values), abandon_on_cancel=True)
        target = context.artifact(name)
        await anyio.Path(target).write_text(text)
        return TemplateOutputs(path=str(target))
