"""The keys of the language as models: what may stand where, and what it means."""

from __future__ import annotations

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


class OnKeys(Model):
    """Devices that a step works on at once."""

    together: list[str] = Field(min_length=1)
    """The devices, each of another role; all of them are done to the end, also when one fails."""


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

    on: str | Annotated[list[str], Field(min_length=1)] | OnKeys | None = None
    """Several devices instead of one: a list or a role with a count is done one by one, `{together: [...]}` at once."""

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


class SecretKeys(Model):
    """A value that must never be shown; it comes from FLOW_SECRET_NAME or a secrets file."""

    required: bool = True
    """Whether it must be given; it is an empty text when it is not."""

    description: str | None = None
    """What it is for."""


MOST = 100
"""Devices that one role may ask for."""


class DeviceKeys(Model):
    """A role, and what must fill it."""

    selector: Annotated[str, DYNAMIC] = ""
    """A Kubernetes label selector such as `board=rpi4,!reserved`; empty matches every exporter."""

    count: int | None = Field(default=None, ge=1, le=MOST)
    """How many such devices: `node` with a count of 3 is leased as `node1`, `node2` and `node3`."""

    requires: list[str] = []
    """Interfaces that the device must offer, beside those that the steps need."""

    duration: Annotated[Duration, Field(gt=0)] = Duration(86400)
    """How long the lease is asked for."""

    safe_state: dict[str, str] | Literal["keep"] = Field(default={"power": "off"}, examples=[{"power": "off"}, "keep"])
    """What is done with the device at the end whatever happened: a method for each part, or `keep`."""


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
