/**
 * What the local runtime refuses or cannot do, one class per cause. The message is smolvm's own sentence where smolvm
 * 1.9.3 has one for the case; `render` writes it as smolvm does.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const oneLine = (text: string): string => text.trim().replace(/\s*[\r\n]+\s*/g, "; ")

/**
 * The runtime needs Linux.
 *
 * @since 0.1.0
 * @category errors
 */
export class PlatformUnsupported extends Schema.TaggedError<PlatformUnsupported>("@bottle/local/PlatformUnsupported")(
  "PlatformUnsupported",
  { platform: Schema.String }
) {
  /** One line. */
  override get message(): string {
    return `agent operation failed: start: the local runtime needs Linux namespaces, and this is ${this.platform}`
  }

  /** What to do next. */
  get suggestion(): string {
    return "install smolvm and choose it with --runtime smolvm"
  }
}

/**
 * A program or a right that the runtime needs is missing; `Prerequisites.check` finds which.
 *
 * @since 0.1.0
 * @category errors
 */
export class PrerequisiteMissing extends Schema.TaggedError<PrerequisiteMissing>("@bottle/local/PrerequisiteMissing")(
  "PrerequisiteMissing",
  {
    name: Schema.String,
    detail: Schema.String,
    fix: Schema.String
  }
) {
  /** One line. */
  override get message(): string {
    return oneLine(`agent operation failed: start: ${this.name}: ${this.detail}`)
  }

  /** What to do next. */
  get suggestion(): string {
    return oneLine(this.fix)
  }
}

/**
 * There is no machine of this name. `operation` is set where smolvm words it differently (`machine status`).
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineNotFound extends Schema.TaggedError<MachineNotFound>("@bottle/local/MachineNotFound")(
  "MachineNotFound",
  { name: Schema.String, operation: Schema.optional(Schema.Literal("machine status")) }
) {
  /** One line. */
  override get message(): string {
    return this.operation === undefined
      ? `vm not found: ${this.name}`
      : `config operation failed: ${this.operation}: machine '${this.name}' not found`
  }

  /** What to do next. */
  get suggestion(): string {
    return "machine ls shows the machines that there are"
  }
}

/**
 * A machine of this name exists.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineAlreadyExists extends Schema.TaggedError<MachineAlreadyExists>(
  "@bottle/local/MachineAlreadyExists"
)("MachineAlreadyExists", { name: Schema.String }) {
  /** One line. */
  override get message(): string {
    return `config operation failed: create machine: machine '${this.name}' already exists or is being created`
  }

  /** What to do next. */
  get suggestion(): string {
    return `choose another name, or delete it: machine delete -f --name ${this.name}`
  }
}

/**
 * The machine is not running.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineNotRunning extends Schema.TaggedError<MachineNotRunning>("@bottle/local/MachineNotRunning")(
  "MachineNotRunning",
  { name: Schema.String }
) {
  /** One line. */
  override get message(): string {
    return (
      `agent operation failed: connect: machine '${this.name}' is not running. ` +
      `Use 'smolvm machine start --name ${this.name}' first.`
    )
  }

  /** What to do next. */
  get suggestion(): string {
    return `machine start --name ${this.name}`
  }
}

/**
 * The machine runs, and the call needs it stopped.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineRunning extends Schema.TaggedError<MachineRunning>("@bottle/local/MachineRunning")(
  "MachineRunning",
  { name: Schema.String }
) {
  /** One line. */
  override get message(): string {
    return `invalid vm state: expected stopped, got running (machine '${this.name}')`
  }

  /** What to do next. */
  get suggestion(): string {
    return `machine stop --name ${this.name}`
  }
}

/**
 * Another process works on this machine and did not finish in time.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineBusy extends Schema.TaggedError<MachineBusy>("@bottle/local/MachineBusy")("MachineBusy", {
  name: Schema.String,
  waitedMillis: Schema.Number
}) {
  /** One line. */
  override get message(): string {
    return (
      `agent operation failed: lock: another process is already starting or running this VM ` +
      `('${this.name}', waited ${this.waitedMillis} ms)`
    )
  }

  /** What to do next. */
  get suggestion(): string {
    return "wait until it has finished, or end it"
  }
}

/**
 * An option that smolvm has and this runtime cannot honour, with why.
 *
 * @since 0.1.0
 * @category errors
 */
export class OptionUnsupported extends Schema.TaggedError<OptionUnsupported>("@bottle/local/OptionUnsupported")(
  "OptionUnsupported",
  { command: Schema.String, option: Schema.String, reason: Schema.String, fix: Schema.String }
) {
  /** One line. */
  override get message(): string {
    return oneLine(`config operation failed: ${this.command}: ${this.option}: ${this.reason}`)
  }

  /** What to do next. */
  get suggestion(): string {
    return oneLine(this.fix)
  }
}

/**
 * A value that is not acceptable: a name, a path, a volume, an entry of the environment.
 *
 * @since 0.1.0
 * @category errors
 */
export class ValueRefused extends Schema.TaggedError<ValueRefused>("@bottle/local/ValueRefused")("ValueRefused", {
  command: Schema.String,
  what: Schema.String,
  reason: Schema.String,
  fix: Schema.String
}) {
  /** One line. */
  override get message(): string {
    return oneLine(`config operation failed: ${this.command}: ${this.what}: ${this.reason}`)
  }

  /** What to do next. */
  get suggestion(): string {
    return oneLine(this.fix)
  }
}

/**
 * A state file does not hold what we wrote, or cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class StateCorrupted extends Schema.TaggedError<StateCorrupted>("@bottle/local/StateCorrupted")(
  "StateCorrupted",
  { path: Schema.String, problem: Schema.String }
) {
  /** One line. */
  override get message(): string {
    return oneLine(`database operation failed: read ${this.path}: ${this.problem}`)
  }

  /** What to do next. */
  get suggestion(): string {
    return "machine delete -f --name NAME removes what is left of the machine"
  }
}

/**
 * The state's directory, or something on the way to it, is not this user's alone.
 *
 * @since 0.1.0
 * @category errors
 */
export class StateUntrusted extends Schema.TaggedError<StateUntrusted>("@bottle/local/StateUntrusted")(
  "StateUntrusted",
  { path: Schema.String, problem: Schema.String }
) {
  /** One line. */
  override get message(): string {
    return oneLine(`config operation failed: state directory: ${this.path} ${this.problem}`)
  }

  /** What to do next. */
  get suggestion(): string {
    return "point XDG_STATE_HOME (or HOME; with sudo: sudo -H) to a directory of this user's that no other can write"
  }
}

/**
 * A step failed; `family` is smolvm's word for the part of it that did.
 *
 * @since 0.1.0
 * @category errors
 */
export class OperationFailed extends Schema.TaggedError<OperationFailed>("@bottle/local/OperationFailed")(
  "OperationFailed",
  {
    family: Schema.Literal("agent", "config", "storage", "mount", "database", "io"),
    operation: Schema.String,
    reason: Schema.String,
    fix: Schema.optional(Schema.String)
  }
) {
  /** One line. */
  override get message(): string {
    return oneLine(`${this.family} operation failed: ${this.operation}: ${this.reason}`)
  }

  /** What to do next. */
  get suggestion(): string {
    return oneLine(this.fix ?? "bottle doctor checks what the local runtime needs")
  }
}

/**
 * Everything that a call of the local runtime can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type LocalError =
  | PlatformUnsupported
  | PrerequisiteMissing
  | MachineNotFound
  | MachineAlreadyExists
  | MachineNotRunning
  | MachineRunning
  | MachineBusy
  | OptionUnsupported
  | ValueRefused
  | StateCorrupted
  | StateUntrusted
  | OperationFailed

/**
 * What smolvm writes to stderr for a failure: `Error: ` and the message on one line. Exit code 1 goes with it.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (error: LocalError): string =>
  `Error: ${error.message}${error._tag === "PrerequisiteMissing" || error._tag === "StateUntrusted" ? ` (${error.suggestion})` : ""}\n`
