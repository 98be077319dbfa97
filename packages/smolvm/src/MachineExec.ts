/**
 * `smolvm machine exec`: runs a command in a running machine.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type * as Stream from "effect/Stream"
import type { Capabilities } from "./Capabilities.js"
import type { ExecOrigin } from "./ExecOrigin.js"
import * as Rules from "./internal/rules.js"
import type { WithSecrets } from "./Secrets.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * What to run, where and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineExecOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** The program and its arguments, as they are: no shell reads them. At least one word. */
  readonly command: ReadonlyArray<string>
  /** Variables of the command, in order; what create was given is not seen by exec on every line, so pass them all. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Variables of the command taken from smolvm's own environment, from 1.0.0. */
  readonly secretEnv?: ReadonlyArray<Value.SecretEnv> | undefined
  /** Variables of the command taken from files of the host, from 1.0.0. */
  readonly secretFiles?: ReadonlyArray<Value.SecretFile> | undefined
  /** The directory in which the command starts. */
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
  /** Of the machine, which has been started. */
  readonly name: string
  /** How long to wait, in milliseconds. */
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
  /** What it wrote, byte for byte. Of one that is not interactive smolvm keeps 11 MiB, and may cut the rest in silence. */
  readonly stdout: Uint8Array
  /** The same of its other output. With `tty` all is in `stdout`. */
  readonly stderr: Uint8Array
  /** Who ended with the code, as far as it can be known. */
  readonly origin: ExecOrigin
}

const { flag, list, trailing, value } = Subcommand.builders<MachineExecOptions>()

const detachedIsAlone: Subcommand.Rule<MachineExecOptions> = {
  sentence: "`--detach` excludes `-i`, `-t` and `--stream`.",
  check: ({ detach, interactive, stream, tty }) =>
    detach === true && [interactive, tty, stream].includes(true)
      ? { option: "--detach", problem: "cannot be used together with -i, -t or --stream" }
      : undefined
}

/**
 * `machine exec` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineExecOptions> = {
  command: "machine exec",
  summary: "Runs a command in a running machine.",
  options: [
    // The machine. exec never had -n.
    { ...value("name", "--name", Value.MachineName), required: true },
    // Single values.
    value("workdir", "--workdir", Value.Text, "-w"),
    value("timeoutMillis", "--timeout", Value.DurationMillis),
    // Variables.
    list("env", "--env", Value.Variable, "-e"),
    list("secretEnv", "--secret-env", Value.SecretEnv),
    list("secretFiles", "--secret-file", Value.SecretFile),
    // How it runs.
    flag("interactive", "--interactive", "-i"),
    flag("tty", "--tty", "-t"),
    flag("stream", "--stream"),
    flag("detach", "--detach", "-d")
  ],
  positionals: [trailing("command", true)],
  rules: [Rules.secretsOnce, detachedIsAlone]
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
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
