/**
 * `smolvm machine start`: boots a machine. A machine that runs already is a success.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to start, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStartOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /**
   * Lets the machine reach the private addresses that its egress policy allows, on the releases that refuse them
   * otherwise (`Capabilities.policyFloorsPrivate`). What the policy does not allow stays refused.
   */
  readonly allowPrivate?: boolean | undefined
  /** Lets the machine be forked, from 1.0.0. */
  readonly forkable?: boolean | undefined
  /** How many clones share the machine's CUDA memory, at least 1, from 1.7.2. */
  readonly forkPoolSize?: number | undefined
  /** The most CUDA memory of each clone in MiB, at least 1, from 1.7.2; needs `forkPoolSize`. */
  readonly cudaVramLimitMib?: number | undefined
  /** The proxy through which an image is pulled, without a user and a password, from 0.8.1. The machine does not see it. */
  readonly proxy?: string | undefined
  /** The hosts that are pulled from without that proxy, from 0.8.1. */
  readonly noProxy?: ReadonlyArray<string> | undefined
  /**
   * The listener of the host that decides on every connection of the machine: `127.0.0.1:7000`. It also needs the secret
   * `SMOLVM_INTERCEPTOR_TOKEN`, now and at every later start. On no known release.
   */
  readonly egressInterceptor?: string | undefined
}

const { flag, value } = Subcommand.builders<MachineStartOptions>()

const limitIsOfAPool: Subcommand.Rule<MachineStartOptions> = {
  sentence: "`--cuda-vram-limit-mib` needs `--fork-pool-size`.",
  check: ({ cudaVramLimitMib, forkPoolSize }) =>
    cudaVramLimitMib !== undefined && forkPoolSize === undefined
      ? {
          option: "--cuda-vram-limit-mib",
          problem: "needs the number of clones that share the memory: add forkPoolSize"
        }
      : undefined
}

/**
 * `machine start` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineStartOptions> = {
  command: "machine start",
  summary: "Boots a machine. A machine that runs already is a success.",
  options: [
    // The machine.
    { ...value("name", "--name", Value.MachineName), required: true },
    // How it may be forked.
    flag("forkable", "--forkable"),
    value("forkPoolSize", "--fork-pool-size", Value.Positive),
    value("cudaVramLimitMib", "--cuda-vram-limit-mib", Value.Size),
    // The network.
    value("proxy", "--proxy", Value.ProxyUrl),
    value("noProxy", "--no-proxy", Value.ProxyExceptions),
    value("egressInterceptor", "--egress-interceptor", Value.HostPort)
  ],
  positionals: [],
  rules: [limitIsOfAPool]
}

/**
 * The arguments of `machine start`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineStartOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)

/**
 * The variables that smolvm itself is given for this start, and for no other call: the machine's boot reads them from
 * the environment of `machine start`. None where the release has no use for them.
 *
 * @since 0.1.0
 * @category argv
 */
export const environment = (
  { allowPrivate }: Pick<MachineStartOptions, "allowPrivate">,
  { policyFloorsPrivate }: Capabilities
): ReadonlyArray<readonly [name: string, value: string]> =>
  allowPrivate === true && policyFloorsPrivate ? [["SMOLVM_EGRESS_ALLOW_PRIVATE", "1"]] : []
