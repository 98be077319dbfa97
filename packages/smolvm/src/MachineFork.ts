/**
 * `smolvm machine fork`: makes clones of a running machine that was started forkable, from 1.0.0.
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
 * Which machine to clone, how often and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineForkOptions {
  /** The machine to clone, which runs and was started with `forkable`. */
  readonly golden: string
  /** The name of one clone, and before 1.7.2 the only way to name it; excludes `namePrefix`. */
  readonly name?: string | undefined
  /** What the names of the clones begin with, from 1.7.2; excludes `name`, and is needed for more than one. */
  readonly namePrefix?: string | undefined
  /** How many clones, 1 to 1024, from 1.7.2; smolvm's own default is 1. */
  readonly count?: number | undefined
  /** How many clones are made at a time, at least 1, from 1.7.2; smolvm's own default is 4. */
  readonly parallel?: number | undefined
  /** Waits until every clone is ready, from 1.7.2. */
  readonly waitReady?: boolean | undefined
  /** How long to wait for that, from 1.7.2; smolvm's own default is ten minutes. */
  readonly readyTimeoutMillis?: number | undefined
  /** Holds every clone at the point of the fork until `machine fork-release`, from 1.7.2; excludes `forkable`. */
  readonly hold?: boolean | undefined
  /** Lets the one clone be forked itself. */
  readonly forkable?: boolean | undefined
  /** smolvm's `--share-weights`, for CUDA, from 1.6.12. */
  readonly shareWeights?: boolean | undefined
  /** Ports of the host, on its loopback, that lead to ports of the one clone; TCP. */
  readonly ports?: ReadonlyArray<Value.Ports> | undefined
  /** Variables of the clones, in order, from 1.7.0. They stand in argv: secrets go by `secretEnv`. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Variables of the clones taken from smolvm's own environment, from 1.7.0. */
  readonly secretEnv?: ReadonlyArray<Value.SecretEnv> | undefined
  /** Variables of the clones taken from files of the host, from 1.7.0. */
  readonly secretFiles?: ReadonlyArray<Value.SecretFile> | undefined
}

const { flag, list, value } = Subcommand.builders<MachineForkOptions>()

const names: ReadonlyArray<Subcommand.Rule<MachineForkOptions>> = [
  {
    sentence: "One clone has either `--name` or `--name-prefix`.",
    check: ({ count = 1, name, namePrefix }) => {
      if (name !== undefined && namePrefix !== undefined) {
        return { option: "--name", problem: "cannot be used together with --name-prefix" }
      }
      return count === 1 && name === undefined && namePrefix === undefined
        ? { option: "--name", problem: "must be given, or --name-prefix: the clone needs a name" }
        : undefined
    }
  },
  {
    sentence: "More clones than one need `--name-prefix`, and exclude `--name`, `--forkable` and `-p`.",
    check: ({ count = 1, forkable, name, namePrefix, ports = [] }) => {
      if (count <= 1) return undefined
      if (name !== undefined) return { option: "--name", problem: "names one clone: give a namePrefix for several" }
      if (namePrefix === undefined)
        return { option: "--name-prefix", problem: "must be given for more clones than one" }
      if (forkable === true) return { option: "--forkable", problem: "is for one clone only" }
      return ports.length > 0 ? { option: "--port", problem: "is for one clone only" } : undefined
    }
  }
]

const heldIsNotForked: Subcommand.Rule<MachineForkOptions> = {
  sentence: "`--hold` excludes `--forkable`.",
  check: ({ forkable, hold }) =>
    forkable === true && hold === true
      ? { option: "--hold", problem: "cannot be used together with --forkable" }
      : undefined
}

/**
 * `machine fork` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineForkOptions> = {
  command: "machine fork",
  summary: "Makes clones of a running machine that was started forkable.",
  options: [
    // How many, and how.
    value("count", "--count", Value.count(1, 1024)),
    value("parallel", "--parallel", Value.Positive),
    flag("waitReady", "--wait-ready"),
    value("readyTimeoutMillis", "--ready-timeout", Value.DurationMillis),
    flag("hold", "--hold"),
    flag("forkable", "--forkable"),
    flag("shareWeights", "--share-weights"),
    // The network.
    list("ports", "--port", Value.Ports, "-p"),
    // Variables.
    list("env", "--env", Value.Variable, "-e"),
    list("secretEnv", "--secret-env", Value.SecretEnv),
    list("secretFiles", "--secret-file", Value.SecretFile),
    // The names, last.
    { ...value("golden", "--golden", Value.MachineName), positional: "GOLDEN", required: true },
    { ...value("name", "--name", Value.MachineName), positional: "CLONE" },
    value("namePrefix", "--name-prefix", Value.NamePrefix)
  ],
  positionals: [],
  rules: [...names, heldIsNotForked, Rules.portsOnce, Rules.secretsOnce]
}

/**
 * The arguments of `machine fork`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineForkOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
