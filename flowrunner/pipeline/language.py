"""The keys of the language as models: what may stand where, and what it means."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from flowrunner.console.regexes import Regex
from flowrunner.errors import Blame
from flowrunner.model import Duration, Kind, Model, Type
from flowrunner.pipeline.ids import NAMING, is_name
from flowrunner.pipeline.marks import APART, DYNAMIC, STEPS
from flowrunner.pipeline.plan import RetryReason

InputType = Literal[
    "string", "int", "float", "bool", "duration", "size", "version", "regex", "file", "directory", "list", "map", "any"
]
"""The types of an input; a secret is not an input, it is declared under `secrets`."""


def _identifier(text: str) -> str:
    if not is_name(text):
        facts = {"why": f"cannot be '{text}'", "code": "bad-id", "help": NAMING}
        raise PydanticCustomError("id", "{why}", facts)
    return text


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("version", "{why}", {"why": "must be 1", "help": "write flow: 1"})
    return value


def _digest(text: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", text):
        facts = {"why": "is 'sha256:' and 64 hexadecimal digits", "help": "sha256sum prints the digits of a file"}
        raise PydanticCustomError("digest", "{why}", facts)
    return text


Id = Annotated[str, AfterValidator(_identifier), Field(json_schema_extra={"pattern": "^[a-z_][a-z0-9_]*$"})]
Limit = Annotated[Duration, Field(gt=0), DYNAMIC]
Steps = Annotated[list[Any], APART, STEPS]


class BackoffKeys(Model):
    """The pause before a new attempt: initial * factor^(attempts so far - 1), at most `max`."""

    initial: Annotated[Duration, Field(ge=0)] = Duration(0)
    """The pause before the second attempt."""

    factor: float = Field(default=1.0, ge=1)
    """What each pause is longer than the one before."""

    max: Annotated[Duration, Field(gt=0)] | None = None
    """The longest pause."""

    jitter: float = Field(default=0.0, ge=0, le=1)
    """The part of itself by which a pause is lengthened at random, at most: 0.1 is a tenth."""


class RetryKeys(Model):
    """When and how a step or a block is tried again. Attempts are parts of one result."""

    attempts: int = Field(ge=1, le=100)
    """How often it is tried, the first time included."""

    on: list[RetryReason] = Field(min_length=1)
    """What is worth another attempt. A failure of the product is only ever retried when `failed` is listed."""

    backoff: BackoffKeys = BackoffKeys()
    """The pause before a new attempt."""

    attempt_timeout: Limit | None = None
    """The limit of one attempt; `timeout` limits all of them together."""

    between: Steps = []
    """Steps before each new attempt."""


class CommonKeys(Model):
    """The keys that every step has beside its action."""

    id: Id | None = None
    """The name under which expressions find this step; unique in the job."""

    name: str | None = None
    """What people read."""

    if_: Annotated[bool, DYNAMIC] = Field(default=True, alias="if")
    """Whether the step runs at all; true or false, nothing else."""

    kind: Kind | None = None
    """What a miss means: `setup` is the lab's fault, `test` is the product's. Each action has its own default."""

    severity: Literal["error", "warning"] = "error"
    """Whether a miss counts in the outcome of what is around it, or is only shown."""

    timeout: Limit | None = None
    """The limit of the step with all its attempts, capped by what is around it."""

    idle_timeout: Limit | None = None
    """How long nothing may move: no output, no progress, no console."""

    retry: RetryKeys | None = None
    """When and how it is tried again."""

    on_failure: Literal["stop", "continue"] = "stop"
    """Whether the steps behind it still run when it did not pass."""

    interruptible: bool = True
    """Whether a cancel may end it half-way."""

    device: str | None = None
    """The role it works on, or a path such as `dut.console2`; implied when there is exactly one role."""

    foreach: Annotated[list[Any], DYNAMIC] | None = None
    """Do it for each of these; `loop.item` and `loop.index` are in its expressions, outputs become lists."""

    tags: list[str] = []
    """Words to choose and to group by."""


class DefaultKeys(Model):
    """What the steps of a scope have unless they say otherwise; parameters of an action stand under its name."""

    kind: Kind | None = None
    """What a miss means."""

    severity: Literal["error", "warning"] | None = None
    """Whether a miss counts."""

    timeout: Limit | None = None
    """The limit of each step."""

    idle_timeout: Limit | None = None
    """How long nothing may move in a step."""

    retry: RetryKeys | None = None
    """When and how a step is tried again."""

    on_failure: Literal["stop", "continue"] | None = None
    """Whether steps behind one that did not pass still run."""

    interruptible: bool | None = None
    """Whether a cancel may end a step half-way."""

    device: str | None = None
    """The role that steps work on."""


class DeclaredKeys(Model):
    """A value from outside."""

    type: Type = "string"
    """What the value is."""

    required: bool | None = None
    """Whether it must be given; what has no default is required unless this is false. It is null then."""

    default: Any = None
    """The value when none is given."""

    description: str | None = None
    """What it is for."""

    choices: list[Any] | None = Field(default=None, min_length=1)
    """The values that are allowed."""

    pattern: Regex | None = None
    """A regular expression that the whole text must match."""


class InputKeys(DeclaredKeys):
    """A value that whoever starts the pipeline gives."""

    type: InputType = "string"  # pyright: ignore[reportIncompatibleVariableOverride] # frozen, so narrower is fine
    """What the value is."""


class TemplateInputKeys(DeclaredKeys):
    """A value that whoever calls the template gives."""

    type: Type = "string"
    """What the value is; a secret may flow only where secrets may."""


class SecretKeys(Model):
    """A value that must never be shown; it comes from FLOW_SECRET_NAME or a secrets file."""

    required: bool = True
    """Whether it must be given; it is an empty text when it is not."""

    description: str | None = None
    """What it is for."""


class DeviceKeys(Model):
    """A role, and what must fill it."""

    selector: Annotated[str, DYNAMIC] = ""
    """A Kubernetes label selector such as `board=rpi4,!reserved`; empty matches every exporter."""

    requires: list[str] = []
    """Interfaces that the device must offer, beside those that the steps need."""

    duration: Annotated[Duration, Field(gt=0)] = Duration(86400)
    """How long the lease is asked for."""

    safe_state: dict[str, str] | Literal["keep"] = Field(default={"power": "off"}, examples=[{"power": "off"}, "keep"])
    """What is done with the device at the end whatever happened: a method for each part, or `keep`."""


class RoleKeys(Model):
    """A role of a template; the caller says which of its devices fills it."""

    requires: list[str] = []
    """Interfaces that the device must offer, beside those that the steps need."""

    description: str | None = None
    """What it is for."""


class IncludeKeys(Model):
    """A file whose templates can be called under an alias. Nothing else of it is used."""

    file: str | None = Field(default=None, min_length=1)
    """A path; it starts at the folder of the file that it is written in."""

    git: str | None = Field(default=None, min_length=1)
    """The URL of a git repository."""

    ref: str | None = Field(default=None, min_length=1)
    """With `git`: a tag, a branch or a commit."""

    path: str | None = Field(default=None, min_length=1)
    """With `git` or `oci`: the file in there."""

    oci: str | None = Field(default=None, min_length=1)
    """An artifact in a registry, such as `registry.example.com/flows/oem:1.4`."""

    digest: Annotated[str, AfterValidator(_digest)] | None = None
    """The SHA-256 that the file must have (with `oci`: the artifact), as `sha256:` and 64 hexadecimal digits."""


class WatchKeys(Model):
    """A pattern that is looked for on a console beside the steps of a scope; the first hit ends its body."""

    pattern: Regex
    """A regular expression that is searched in each complete line."""

    outcome: Literal["failed", "errored"] = "failed"
    """What the scope ends with."""

    blame: Blame | None = None
    """Whose fault an `errored` is."""

    grace: Annotated[Duration, Field(ge=0), DYNAMIC] = Duration(0)
    """How long the console is still logged, so that a trace is complete."""

    device: str | None = None
    """The console: a role, or a path such as `dut.console2`."""


class ReadyKeys(Model):
    """When a background command counts as up."""

    pattern: Regex
    """A regular expression that is searched in each line of its output."""

    within: Limit = Duration(30)
    """How long that may take."""


class ScopeKeys(Model):
    """The keys that mean the same on a pipeline and on a block."""

    timeout: Limit | None = None
    """The limit of the steps; queueing and `finally` do not count."""

    finally_timeout: Limit | None = None
    """The limit of `finally`, and of `rescue`, on top of `timeout`."""

    queue_timeout: Limit | None = None
    """How long to wait for the devices."""

    defaults: Annotated[dict[str, Any], APART] = {}
    """What the steps have unless they say otherwise; the nearest scope wins, per key."""

    devices: Annotated[dict[str, Any], APART] = {}
    """The roles, and what must fill them."""

    watch: Annotated[list[WatchKeys], APART] = []
    """Patterns that are looked for beside the steps."""

    rescue: Steps = []
    """Steps for when the body did not pass; they never improve the outcome."""

    finally_: Steps = Field(default=[], alias="finally")
    """Steps at the end, whatever happened."""

    outputs: dict[str, Annotated[Any, DYNAMIC]] = {}
    """Values that the scope gives to what is behind it, and to the report."""


class PipelineKeys(ScopeKeys):
    """A pipeline: what to do with which device."""

    flow: Annotated[Literal[1], BeforeValidator(_no_boolean)]
    """The version of the language."""

    name: str | None = Field(default=None, min_length=1)
    """What the pipeline is called; its file's name when it is not given."""

    description: str | None = None
    """What it is for."""

    inputs: Annotated[dict[str, Any], APART] = {}
    """Values that whoever starts the pipeline gives."""

    secrets: Annotated[dict[str, Any], APART] = {}
    """Values that must never be shown."""

    include: Annotated[dict[str, Any], APART] = {}
    """Files whose templates can be called."""

    templates: Annotated[dict[str, Any], APART] = {}
    """Steps that can be called, with what they need to know."""

    steps: Steps = []
    """What to do, in order; a file without steps and jobs is a library of templates."""

    jobs: Annotated[dict[str, Any], APART] = {}
    """Several lists of steps, each with devices of its own, beside or after each other."""


class TemplateKeys(ScopeKeys):
    """Steps that are called with inputs and devices; they see nothing else."""

    description: str | None = None
    """What it does."""

    inputs: Annotated[dict[str, Any], APART] = {}
    """Values that the caller gives."""

    steps: Steps
    """What to do, in order."""


class ParallelKeys(Model):
    """Branches that run beside each other."""

    fail_fast: bool = True
    """Whether the first branch that does not pass ends the others."""

    branches: Annotated[dict[str, Any], APART]
    """Lists of steps by name."""


class StrategyKeys(Model):
    """How a job is multiplied."""

    matrix: Annotated[dict[str, Any], APART]
    """Values by name: the job is done for each combination. `exclude` takes some out, `include` adds to them."""

    max_parallel: int | None = Field(default=None, ge=1)
    """How many of them run at the same time; all when it is not given."""

    fail_fast: bool = True
    """Whether the first that does not pass ends the others."""


class ConcurrencyKeys(Model):
    """What else may not run at the same time."""

    group: Annotated[str, Field(min_length=1), DYNAMIC]
    """Of all that name the same group one runs at a time, in the order in which they came."""


class JobKeys(ScopeKeys):
    """A list of steps with devices of its own. Jobs run beside each other, unless one needs another."""

    name: str | None = Field(default=None, min_length=1)
    """What people read."""

    needs: list[str] | str = []
    """The jobs that must have ended before."""

    if_: Annotated[bool, DYNAMIC] = Field(default=True, alias="if")
    """Whether the job runs; when it asks about `needs`, it also decides what happens when one of them did not pass."""

    strategy: StrategyKeys | None = None
    """How the job is multiplied."""

    concurrency: Annotated[ConcurrencyKeys | str, DYNAMIC] | None = None
    """What else may not run at the same time: a group, or its name."""

    retry: RetryKeys | None = None
    """When and how the whole job is tried again, with new leases."""

    severity: Literal["error", "warning"] = "error"
    """Whether the job counts in the outcome of the pipeline, or is only shown."""

    tags: list[str] = []
    """Words to choose and to group by."""

    steps: Steps
    """What to do, in order."""
