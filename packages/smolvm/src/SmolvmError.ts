/**
 * Why smolvm could not do what it was asked to, one error per cause.
 *
 * None of them holds the value of an environment variable, a secret, or an argument of a guest's command: `argv` is
 * redacted, and the tails of the output are bounded and free of control characters.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/** What was run and what came back. */
const failure = {
  /** The program, as it was configured. */
  program: Schema.String,
  /** The subcommand: `machine create`. */
  command: Schema.String,
  /** The arguments after the program, values of variables and the guest's arguments redacted. */
  argv: Schema.Array(Schema.String),
  /** smolvm's exit code; 128+n where a signal ended it. */
  exitCode: Schema.Number,
  /** The last lines of stdout. */
  stdout: Schema.String,
  /** The last lines of stderr. */
  stderr: Schema.String
}

/** The line of stderr that says what went wrong: the last one that smolvm or clap marks as an error, else the last. */
const reason = (stderr: string): string => {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "")
  const marked = lines.findLast((line) => /^error: /i.test(line)) ?? lines.at(-1) ?? ""
  return marked === "" ? "" : `: ${marked.replace(/^error: /i, "").trim()}`
}

/**
 * There is no such program.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmNotInstalled extends Schema.TaggedError<SmolvmNotInstalled>("@bottle/smolvm/SmolvmNotInstalled")(
  "SmolvmNotInstalled",
  { program: Schema.String }
) {
  override get message(): string {
    return `${this.program} is not installed: no such program on PATH`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install smolvm, or name the program to use in its place."
  }
}

/**
 * The program is there, but the system refuses to start it: `reason` is that of `@bottle/process/ProcessError`.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmNotStarted extends Schema.TaggedError<SmolvmNotStarted>("@bottle/smolvm/SmolvmNotStarted")(
  "SmolvmNotStarted",
  { program: Schema.String, command: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${this.program} ${this.command} could not be started: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.reason === "arguments-too-long"
      ? "Copy large values into the machine as files instead of passing them as arguments or variables."
      : "Check that the program is an executable file that you may run."
  }
}

/**
 * smolvm is older than the oldest release line that this package knows.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmTooOld extends Schema.TaggedError<SmolvmTooOld>("@bottle/smolvm/SmolvmTooOld")("SmolvmTooOld", {
  program: Schema.String,
  version: Schema.String,
  neededVersion: Schema.String
}) {
  override get message(): string {
    return `${this.program} is version ${this.version}: ${this.neededVersion} or newer is needed`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Update smolvm to ${this.neededVersion} or newer.`
  }
}

/**
 * smolvm's parser refused the arguments: exit code 2 and a usage text on stderr.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmUsageRefused extends Schema.TaggedError<SmolvmUsageRefused>("@bottle/smolvm/SmolvmUsageRefused")(
  "SmolvmUsageRefused",
  failure
) {
  override get message(): string {
    return `${this.program} ${this.command} refused its arguments (exit code ${this.exitCode})${reason(this.stderr)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Compare with \`${this.program} ${this.command} --help\`: this release may have changed its arguments.`
  }
}

/**
 * No machine has this name.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineNotFound extends Schema.TaggedError<MachineNotFound>("@bottle/smolvm/MachineNotFound")(
  "MachineNotFound",
  { ...failure, name: Schema.String }
) {
  override get message(): string {
    return `machine '${this.name}' does not exist (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return `List the machines with \`${this.program} machine ls\`.`
  }
}

/**
 * A machine of this name exists already, or is being created.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineAlreadyExists extends Schema.TaggedError<MachineAlreadyExists>(
  "@bottle/smolvm/MachineAlreadyExists"
)("MachineAlreadyExists", { ...failure, name: Schema.String }) {
  override get message(): string {
    return `machine '${this.name}' exists already (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Choose another name, or delete that machine first."
  }
}

/**
 * The machine exists but does not run.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineNotRunning extends Schema.TaggedError<MachineNotRunning>("@bottle/smolvm/MachineNotRunning")(
  "MachineNotRunning",
  { ...failure, name: Schema.String }
) {
  override get message(): string {
    return `machine '${this.name}' is not running (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Start the machine first."
  }
}

/**
 * Another process is starting, running or changing the machine, and smolvm serves one at a time.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineBusy extends Schema.TaggedError<MachineBusy>("@bottle/smolvm/MachineBusy")("MachineBusy", {
  ...failure,
  name: Schema.String
}) {
  override get message(): string {
    return `machine '${this.name}' is in the hands of another process (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Try again when that process is done, and use one process at a time for each machine."
  }
}

/**
 * The machine is in a state in which this cannot be done: `actual`, where `expected` is needed, in smolvm's own words.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineInWrongState extends Schema.TaggedError<MachineInWrongState>("@bottle/smolvm/MachineInWrongState")(
  "MachineInWrongState",
  { ...failure, name: Schema.String, expected: Schema.String, actual: Schema.String }
) {
  override get message(): string {
    const machine = this.name === "" ? "the machine" : `machine '${this.name}'`
    return `${machine} is ${this.actual}, and must be ${this.expected} (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Start or stop the machine first, as is needed."
  }
}

/**
 * A port of the host that the machine is to publish is taken: by the machine `holder`, or, where that is `null`, by some
 * other program.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostPortInUse extends Schema.TaggedError<HostPortInUse>("@bottle/smolvm/HostPortInUse")("HostPortInUse", {
  ...failure,
  port: Schema.Number,
  holder: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    const by = this.holder === null ? "" : ` by machine '${this.holder}'`
    return `port ${this.port} of the host is in use${by} (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Publish another port of the host, or free this one."
  }
}

/**
 * The image is in a registry, and the machine has no network to pull it with. Said at create from 1.7.3; before, start
 * fails for other reasons.
 *
 * @since 0.1.0
 * @category errors
 */
export class ImageNeedsNetwork extends Schema.TaggedError<ImageNeedsNetwork>("@bottle/smolvm/ImageNeedsNetwork")(
  "ImageNeedsNetwork",
  { ...failure, image: Schema.String }
) {
  override get message(): string {
    return `image '${this.image}' must be pulled, and the machine has no network (${this.program} ${this.command})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Give the machine a network, or a local archive, a directory or a pack in place of the image."
  }
}

/**
 * The host cannot run machines: it has no hypervisor that smolvm can use (`missing`), or one that this user may not use
 * (`forbidden`).
 *
 * @since 0.1.0
 * @category errors
 */
export class HypervisorUnavailable extends Schema.TaggedError<HypervisorUnavailable>(
  "@bottle/smolvm/HypervisorUnavailable"
)("HypervisorUnavailable", { ...failure, problem: Schema.Literal("missing", "forbidden") }) {
  override get message(): string {
    const problem = this.problem === "missing" ? "has no hypervisor to use" : "lets this user use no hypervisor"
    return `${this.program} ${this.command}: the host ${problem}${reason(this.stderr)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.problem === "missing"
      ? "Switch virtualization on (on Linux: /dev/kvm must be there), or use another host."
      : "Let this user use it (on Linux: read and write /dev/kvm, by the group kvm)."
  }
}

/**
 * The machine did not run a command within the time given, or, where that is `null`, failed so often that more time would
 * not help; `lastFailure` is what the last attempt ended with.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineNotReady extends Schema.TaggedError<MachineNotReady>("@bottle/smolvm/MachineNotReady")(
  "MachineNotReady",
  { name: Schema.String, timeoutMillis: Schema.NullOr(Schema.Number), lastFailure: Schema.NullOr(Schema.String) }
) {
  override get message(): string {
    const last = this.lastFailure === null ? "" : `; the last attempt: ${this.lastFailure}`
    const within = this.timeoutMillis === null ? "runs no command" : `ran no command within ${this.timeoutMillis} ms`
    return `machine '${this.name}' is not ready: it ${within}${last}`
  }
  /** What to do next. */
  get suggestion(): string {
    const rest = this.timeoutMillis === null ? "see what it says" : "give it more time"
    return `See that its image has a program \`true\`; else ${rest}, or look at its state and its logs.`
  }
}

/**
 * Something took too long: smolvm itself, which was then ended after `timeoutMillis`, or, where that is `null`, what
 * smolvm waited for, as `stderr` says.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmTimedOut extends Schema.TaggedError<SmolvmTimedOut>("@bottle/smolvm/SmolvmTimedOut")(
  "SmolvmTimedOut",
  {
    program: Schema.String,
    command: Schema.String,
    argv: Schema.Array(Schema.String),
    timeoutMillis: Schema.NullOr(Schema.Number),
    stderr: Schema.String
  }
) {
  override get message(): string {
    return this.timeoutMillis === null
      ? `${this.program} ${this.command} timed out${reason(this.stderr)}`
      : `${this.program} ${this.command} did not end within ${this.timeoutMillis} ms and was ended`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Give it more time, or look for what it waits for in the machine's state."
  }
}

/**
 * A signal ended smolvm itself, so that what it was doing is not known to be done.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmKilled extends Schema.TaggedError<SmolvmKilled>("@bottle/smolvm/SmolvmKilled")("SmolvmKilled", {
  ...failure,
  signal: Schema.String
}) {
  override get message(): string {
    return `${this.program} ${this.command} was ended by ${this.signal}${reason(this.stderr)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.signal === "SIGKILL"
      ? "The system may be out of memory: give the machine less, or free some."
      : "Look at the machine's state before trying again."
  }
}

/**
 * smolvm succeeded, but what it printed is not what this package knows.
 *
 * @since 0.1.0
 * @category errors
 */
export class OutputNotUnderstood extends Schema.TaggedError<OutputNotUnderstood>("@bottle/smolvm/OutputNotUnderstood")(
  "OutputNotUnderstood",
  { ...failure, problem: Schema.String }
) {
  override get message(): string {
    return `the output of ${this.program} ${this.command} was not understood: ${this.problem}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the program is smolvm; a newer release may print something else."
  }
}

/**
 * smolvm wrote more than is kept in memory; `capBytes` is the most that is taken of that stream.
 *
 * @since 0.1.0
 * @category errors
 */
export class SmolvmOutputTooLarge extends Schema.TaggedError<SmolvmOutputTooLarge>(
  "@bottle/smolvm/SmolvmOutputTooLarge"
)("SmolvmOutputTooLarge", {
  program: Schema.String,
  command: Schema.String,
  stream: Schema.Literal("stdout", "stderr"),
  capBytes: Schema.Number
}) {
  override get message(): string {
    return `${this.program} ${this.command} wrote more than ${this.capBytes} bytes to ${this.stream} and was ended`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Read the output as a stream, write it to a file in the machine, or raise the cap."
  }
}

/**
 * This release of smolvm has no such option; `neededVersion` is the first that has it.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedOption extends Schema.TaggedError<UnsupportedOption>("@bottle/smolvm/UnsupportedOption")(
  "UnsupportedOption",
  { command: Schema.String, option: Schema.String, version: Schema.String, neededVersion: Schema.NullOr(Schema.String) }
) {
  override get message(): string {
    const needed = this.neededVersion === null ? "" : `: ${this.neededVersion} or newer is needed`
    return `smolvm ${this.version} has no ${this.option} on ${this.command}${needed}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.neededVersion === null
      ? `Do without ${this.option}.`
      : `Update smolvm to ${this.neededVersion} or newer, or do without ${this.option}.`
  }
}

/**
 * This release of smolvm has no such subcommand; `neededVersion` is the first that has it, `null` where no known one has.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedCommand extends Schema.TaggedError<UnsupportedCommand>("@bottle/smolvm/UnsupportedCommand")(
  "UnsupportedCommand",
  { command: Schema.String, version: Schema.String, neededVersion: Schema.NullOr(Schema.String) }
) {
  override get message(): string {
    const needed = this.neededVersion === null ? "" : `: ${this.neededVersion} or newer is needed`
    return `smolvm ${this.version} has no ${this.command}${needed}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.neededVersion === null
      ? `Do without ${this.command}.`
      : `Update smolvm to ${this.neededVersion} or newer, or do without ${this.command}.`
  }
}

/**
 * This release of smolvm takes the option, does nothing with it in this `circumstance` (`with --from`) and says nothing.
 * `neededVersion` is the first that heeds it there, `null` where no known one does.
 *
 * @since 0.1.0
 * @category errors
 */
export class IgnoredOption extends Schema.TaggedError<IgnoredOption>("@bottle/smolvm/IgnoredOption")("IgnoredOption", {
  command: Schema.String,
  option: Schema.String,
  version: Schema.String,
  circumstance: Schema.String,
  neededVersion: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    const needed = this.neededVersion === null ? "" : `: ${this.neededVersion} or newer is needed`
    return `smolvm ${this.version} ignores ${this.option} of ${this.command} ${this.circumstance}${needed}`
  }
  /** What to do next. */
  get suggestion(): string {
    const update = this.neededVersion === null ? "" : `Update smolvm to ${this.neededVersion} or newer, or leave`
    return `${update === "" ? "Leave" : update} ${this.option} out ${this.circumstance}.`
  }
}

/**
 * A value, or values together, that smolvm refuses or could not be given safely, refused before anything runs. The value
 * itself is not held.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>("@bottle/smolvm/InvalidArgument")(
  "InvalidArgument",
  { command: Schema.String, option: Schema.String, problem: Schema.String }
) {
  override get message(): string {
    return `${this.command}: ${this.option} ${this.problem}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Correct ${this.option}.`
  }
}

/**
 * smolvm failed for a reason that has no error of its own.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommandFailed extends Schema.TaggedError<CommandFailed>("@bottle/smolvm/CommandFailed")(
  "CommandFailed",
  failure
) {
  override get message(): string {
    return `${this.program} ${this.command} failed with exit code ${this.exitCode}${reason(this.stderr)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Read the rest of what it said in `stderr`."
  }
}

/**
 * What a function that builds arguments can refuse.
 *
 * @since 0.1.0
 * @category errors
 */
export type ArgumentError = UnsupportedCommand | UnsupportedOption | IgnoredOption | InvalidArgument

/**
 * Everything that can go wrong between a call and its result.
 *
 * @since 0.1.0
 * @category errors
 */
export type SmolvmError =
  | SmolvmNotInstalled
  | SmolvmNotStarted
  | SmolvmTooOld
  | SmolvmUsageRefused
  | MachineNotFound
  | MachineAlreadyExists
  | MachineNotRunning
  | MachineBusy
  | MachineInWrongState
  | MachineNotReady
  | HostPortInUse
  | ImageNeedsNetwork
  | HypervisorUnavailable
  | SmolvmTimedOut
  | SmolvmKilled
  | OutputNotUnderstood
  | SmolvmOutputTooLarge
  | UnsupportedCommand
  | UnsupportedOption
  | IgnoredOption
  | InvalidArgument
  | CommandFailed
