/**
 * `smolvm pack run`: runs a command in a machine made from a pack, which goes with the command.
 *
 * It has no egress policy on any known release: with a network the machine reaches everything.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import * as Rules from "./internal/rules.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which pack to run, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackRunOptions {
  /** The `.smolmachine` file of the pack. */
  readonly sidecar?: string | undefined
  /** The program and its arguments, as they are, in place of the pack's own. */
  readonly command?: ReadonlyArray<string> | undefined
  /** The directory in which the command starts. */
  readonly workdir?: string | undefined
  /** Ends the command after this long, with exit code 124. */
  readonly timeoutMillis?: number | undefined
  /** Virtual processors, 1 to 255, in place of the pack's own number. */
  readonly cpus?: number | undefined
  /** Memory in MiB, at least 64, in place of the pack's own. */
  readonly memMib?: number | undefined
  /** Size of the machine's storage in GiB, at least 1. */
  readonly storageGib?: number | undefined
  /** Size of the writable layer in GiB, at least 1. */
  readonly overlayGib?: number | undefined
  /** Asks for a network. Nothing limits what is reached over it. */
  readonly net?: boolean | undefined
  /** The network backend. Without it smolvm chooses: TSI, and virtio-net for what needs it (from 1.0.4). */
  readonly netBackend?: "tsi" | "virtio-net" | undefined
  /** Ports of the host, on its loopback, that lead to ports of the guest; TCP. */
  readonly ports?: ReadonlyArray<Value.Ports> | undefined
  /** Directories of the host to mount: absolute paths without `:`. */
  readonly volumes?: ReadonlyArray<Value.Volume> | undefined
  /** Offers CUDA in the guest, from 1.6.0. */
  readonly cuda?: boolean | undefined
  /** smolvm's `--auto-graph`, for CUDA, from 1.7.2. */
  readonly autoGraph?: boolean | undefined
  /** Variables of the command, in order. They stand in argv. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Forwards stdin; output is live. */
  readonly interactive?: boolean | undefined
  /** Gives the command a terminal; both outputs are merged. */
  readonly tty?: boolean | undefined
  /** Unpacks the artifact again, even if that was done. */
  readonly forceExtract?: boolean | undefined
  /** Prints what the pack is instead of running it. */
  readonly info?: boolean | undefined
  /** Prints what smolvm does on the way. */
  readonly debug?: boolean | undefined
}

const { flag, list, trailing, value } = Subcommand.builders<PackRunOptions>()

/**
 * `pack run` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<PackRunOptions> = {
  command: "pack run",
  summary: "Runs a command in a machine made from a pack, which goes with the command.",
  options: [
    // The source.
    value("sidecar", "--sidecar", Value.Text),
    // Single values, then numbers.
    value("workdir", "--workdir", Value.Text, "-w"),
    value("timeoutMillis", "--timeout", Value.DurationMillis),
    value("cpus", "--cpus", Value.Cpus),
    value("memMib", "--mem", Value.MemMib),
    value("storageGib", "--storage", Value.Size),
    value("overlayGib", "--overlay", Value.Size),
    // The network.
    flag("net", "--net"),
    value("netBackend", "--net-backend", Value.NetBackend),
    list("ports", "--port", Value.Ports, "-p"),
    // Mounts.
    list("volumes", "--volume", Value.Volume, "-v"),
    // Devices.
    flag("cuda", "--cuda"),
    flag("autoGraph", "--auto-graph"),
    // Variables.
    list("env", "--env", Value.Variable, "-e"),
    // How it runs.
    flag("interactive", "--interactive", "-i"),
    flag("tty", "--tty", "-t"),
    flag("forceExtract", "--force-extract"),
    flag("info", "--info"),
    flag("debug", "--debug")
  ],
  positionals: [trailing("command", false)],
  rules: [Rules.netIsWanted, Rules.backendIsForANetwork, ...Rules.backendTakesIt, Rules.portsOnce, Rules.volumesOnce]
}

/**
 * The arguments of `pack run`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackRunOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
