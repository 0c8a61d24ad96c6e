"""What is wrong with a pipeline, gathered until all of it is known."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.errors import PipelineError, PipelineErrors, Span


class Problems:
    """Errors as they are found; the same one at the same place is kept once.

    `sources` is the text of each file by its name in spans, `chains` the places at which an included file was included,
    the nearest first.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[Span | None, str, str], PipelineError] = {}
        self.sources: dict[str, str] = {}
        self.chains: dict[str, tuple[Span, ...]] = {}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def found(self) -> Sequence[PipelineError]:
        """The errors so far."""
        return list(self._found.values())

    def add(self, what: str, *, code: str, where: Span | None, help: str | None = None) -> None:
        """Note an error."""
        self.take(PipelineError(what, code=code, where=where, help=help))

    def take(self, error: PipelineError) -> None:
        """Note an error that was raised elsewhere."""
        if error.where is not None:
            error.included = self.chains.get(error.where.file, ())
        self._found.setdefault((error.where, error.code, error.what), error)

    def raise_all(self) -> None:
        """End here if anything is wrong.

        Raises:
            PipelineErrors: something is.
        """
        if self._found:
            raise PipelineErrors(self._found.values(), self.sources)
