"""Write what is generated from the code: `schemas/` and `docs/reference/`. With `--check`, fail when it is stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flowrunner.lab.schema import schemas
from tools.reference import pages

ROOT = Path(__file__).resolve().parent.parent


def files() -> dict[Path, str]:
    """Each generated file with its text."""
    found = {ROOT / f"schemas/{name}.json": json.dumps(make(), indent=2) + "\n" for name, make in schemas().items()}
    return found | {ROOT / "docs" / "reference" / name: text for name, text in pages().items()}


def stale(wanted: dict[Path, str]) -> list[Path]:
    """The files that are missing, different, or no longer wanted."""
    there = {path for folder in ("schemas", "docs/reference") for path in (ROOT / folder).rglob("*") if path.is_file()}
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    return sorted([*changed, *(there - wanted.keys())])


def main() -> int:
    """Write all of it, or say what would change."""
    wanted = files()
    different = stale(wanted)
    if "--check" in sys.argv[1:]:
        for path in different:
            print(f"stale: {path.relative_to(ROOT)}; run 'python -m tools.generate'", file=sys.stderr)
        return bool(different)
    for path in different:
        if path not in wanted:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    print(f"{len(wanted)} generated files, {len(different)} changed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
