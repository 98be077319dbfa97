/**
 * `smolvm machine exec`: runs a command in a running machine.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Stream from "effect/Stream"
import type { Capabilities } from "./Capabilities.js"
import type { ExecOrigin } from "./ExecOrigin.js"
import type { SecretEnv } from "./internal/arguments.js"
import { assignments, checks, flag, references, repeated, valued } from "./internal/arguments.js"
import type { WithSecrets } from "./Secrets.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Timeout from "./Timeout.js"

/**
 * What to run, where and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineExecOptions {
  readonly name: string
  /** The program and its arguments, as they are: no shell reads them. At least one word. */
  readonly command: ReadonlyArray<string>
  /** Variables of the command, in order; what create was given is not seen by exec on every line, so pass them all. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Variables of the command taken from smolvm's own environment, from 1.0.0. */
  readonly secretEnv?: ReadonlyArray<SecretEnv> | undefined
  readonly workdir?: string | undefined
  /** Ends the command after this long, with exit code 124. Not enforced for images from 1.4.1 to 1.6.13. */
  readonly timeoutMillis?: number | undefined
  /** Forwards stdin; output is live, separate and unbounded. */
  readonly interactive?: boolean | undefined
  /** Gives the command a terminal; both outputs are merged. */
  readonly tty?: boolean | undefined
  /** Live output without stdin; from 1.3.8 it fails after 11 MiB. */
  readonly stream?: boolean | undefined
  /** Starts the command and prints its process id in the guest, from 1.3.0; excludes the three above. */
  readonly detach?: boolean | undefined
}

/**
 * What `Smolvm.machineExec` takes: how much output to hold, and what the command reads.
 *
 * @since 0.1.0
 * @category models
 */
export interface CapturedOptions extends MachineExecOptions, WithSecrets {
  /** The most bytes of each of stdout and stderr; 16 MiB where it is not given. */
  readonly capBytes?: number | undefined
  /** What the command reads; makes it interactive unless `interactive` is given. */
  readonly stdin?: Uint8Array | string | Stream.Stream<Uint8Array> | undefined
}

/**
 * What `Smolvm.machineExecFollow` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface FollowedOptions extends MachineExecOptions, WithSecrets {
  /** What the command reads; nothing where it is not given. */
  readonly stdin?: Stream.Stream<Uint8Array> | undefined
}

/**
 * What `Smolvm.machineExecAttach` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachedOptions extends MachineExecOptions, WithSecrets {}

/**
 * What `Smolvm.machineExecDetached` takes: there is nothing to forward and no terminal.
 *
 * @since 0.1.0
 * @category models
 */
export interface DetachedOptions
  extends Omit<MachineExecOptions, "interactive" | "tty" | "stream" | "detach">, WithSecrets {}

/**
 * What `Smolvm.waitExecReady` takes: which machine, and how long to wait for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface WaitOptions {
  readonly name: string
  readonly timeoutMillis: number
  /**
   * How many commands may end with a failure before waiting is given up; without it, as many as there is time for. For
   * a runtime whose machines are ready when they have started: what fails there goes on failing.
   */
  readonly failuresMax?: number | undefined
}

/**
 * What a command in a machine ended with. A non-zero exit code is a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecResult {
  /** The code as smolvm gave it: the command's own where `origin` is `guest`. */
  readonly exitCode: number
  /** The signal that a code above 128 stands for (137: `SIGKILL`); a command can also choose such a code itself. */
  readonly signal: string | null
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  /** Who ended with the code, as far as it can be known. */
  readonly origin: ExecOrigin
}

/**
 * The arguments of `machine exec`. The command always stands after `--`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineExecOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* validate(options)
    const secrets = (options.secretEnv ?? []).length > 0
    yield* check.supported(capabilities, "--secret-env", capabilities.secretEnv, secrets)
    yield* check.supported(capabilities, "--detach", capabilities.execDetach, options.detach === true)
    return yield* check.whole([
      "machine",
      "exec",
      // The machine. exec never had -n.
      "--name",
      options.name,
      // Single values.
      ...valued("-w", "--workdir", options.workdir),
      ...(options.timeoutMillis === undefined ? [] : ["--timeout", Timeout.formatMillis(options.timeoutMillis)]),
      // Variables.
      ...repeated("-e", assignments(options.env)),
      ...repeated("--secret-env", references(options.secretEnv)),
      // Flags.
      ...flag("-i", options.interactive),
      ...flag("-t", options.tty),
      ...flag("--stream", options.stream),
      ...flag("-d", options.detach),
      // The command.
      "--",
      ...options.command
    ])
  })

const check = checks("machine exec")

const validate = (options: MachineExecOptions): Either.Either<void, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(options.name)
    yield* check.text("--workdir", options.workdir)
    yield* check.variables("--env", options.env)
    yield* check.secrets(options.secretEnv)
    if (options.command.length === 0) return yield* check.refuse("the command", "must have at least one word")
    if (options.timeoutMillis !== undefined && !(options.timeoutMillis > 0 && options.timeoutMillis <= maxTimeout)) {
      return yield* check.refuse("--timeout", `must be more than 0 and at most ${maxTimeout} ms`)
    }
    if (options.detach === true && [options.interactive, options.tty, options.stream].includes(true)) {
      return yield* check.refuse("--detach", "cannot be used together with -i, -t or --stream")
    }
  })

/** A hundred years: a longer timeout is a mistake, and would be written as a number that smolvm cannot read. */
const maxTimeout = 3_153_600_000_000
