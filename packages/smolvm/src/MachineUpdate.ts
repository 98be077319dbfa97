/**
 * `smolvm machine update`: changes a machine that does not run. Disks only grow.
 *
 * It can take a network away (`net: false`), and with it a policy, but it cannot add to a policy.
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
 * What to change of which machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineUpdateOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** Virtual processors, 1 to 255. */
  readonly cpus?: number | undefined
  /** Memory in MiB, at least 64. */
  readonly memMib?: number | undefined
  /** Size of the machine's storage in GiB, at least 1; not less than it is. */
  readonly storageGib?: number | undefined
  /** Size of the writable layer in GiB, at least 1; not less than it is. */
  readonly overlayGib?: number | undefined
  /** The directory in which commands start. */
  readonly workdir?: string | undefined
  /** `true` gives the machine a network (`--net`), `false` takes it away, and its policy too (`--no-net`). */
  readonly net?: boolean | undefined
  /** The SOCKS5 listener of the host through which all TCP and DNS goes: `socks5://127.0.0.1:1080`. On no known release. */
  readonly egressProxy?: string | undefined
  /** Ports of the host, on its loopback, to publish; TCP. */
  readonly ports?: ReadonlyArray<Value.Ports> | undefined
  /** Ports to publish no more. */
  readonly removePorts?: ReadonlyArray<Value.Ports> | undefined
  /** Directories of the host to mount: absolute paths without `:`. */
  readonly volumes?: ReadonlyArray<Value.Volume> | undefined
  /** Directories to mount no more. */
  readonly removeVolumes?: ReadonlyArray<Value.Mapping> | undefined
  /** `true` gives the machine a virtual GPU (`--gpu`), `false` takes it away (`--no-gpu`). */
  readonly gpu?: boolean | undefined
  /** `true` switches Rosetta on (`--rosetta`), `false` off (`--no-rosetta`), from 1.5.0. */
  readonly rosetta?: boolean | undefined
  /** Variables of the guest to set, in order. They stand in argv. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Names of variables of the guest to set no more. */
  readonly removeEnv?: ReadonlyArray<string> | undefined
}

const { list, toggle, value } = Subcommand.builders<MachineUpdateOptions>()

/**
 * `machine update` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineUpdateOptions> = {
  command: "machine update",
  summary: "Changes a machine that does not run.",
  options: [
    // Single values, then numbers.
    value("workdir", "--workdir", Value.Text, "-w"),
    value("cpus", "--cpus", Value.Cpus),
    value("memMib", "--mem", Value.MemMib),
    value("storageGib", "--storage", Value.Size),
    value("overlayGib", "--overlay", Value.Size),
    // The network.
    toggle("net", "--net", "--no-net"),
    value("egressProxy", "--egress-proxy", Value.SocksUrl),
    list("ports", "--port", Value.Ports, "-p"),
    list("removePorts", "--remove-port", Value.Ports),
    // Mounts.
    list("volumes", "--volume", Value.Volume, "-v"),
    list("removeVolumes", "--remove-volume", Value.Mapping),
    // Devices.
    toggle("gpu", "--gpu", "--no-gpu"),
    toggle("rosetta", "--rosetta", "--no-rosetta"),
    // Variables.
    list("env", "--env", Value.Variable, "-e"),
    list("removeEnv", "--remove-env", Value.VariableName),
    // The name, last.
    { ...value("name", "--name", Value.MachineName), positional: "NAME", required: true }
  ],
  positionals: [],
  rules: [Rules.portsOnce, Rules.volumesOnce]
}

/**
 * The arguments of `machine update`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineUpdateOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
