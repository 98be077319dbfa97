/**
 * `smolvm machine create`: registers a machine, which `machine start` boots.
 *
 * It builds the argv that is asked for. Whether a release holds a policy is the caller's judgement, by `Capabilities`:
 * before 1.8.0 `--from` drops the allow options in silence, and before 1.1.3 the default backend does not hold them, which
 * `dropped` tells.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import { neededVersion } from "./Capabilities.js"
import type { DroppedOption } from "./internal/dropped.js"
import { droppedOf } from "./internal/dropped.js"
import * as Rules from "./internal/rules.js"
import * as NewMachine from "./NewMachine.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Volume
} from "./Value.js"

export type {
  /**
   * @since 0.1.0
   * @category models
   */
  DroppedOption
} from "./internal/dropped.js"

/**
 * What a machine is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineCreateOptions extends NewMachine.NewMachineOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. Without one smolvm makes one up: `vm-` and hex digits. */
  readonly name?: string | undefined
  /** The `.smolmachine` file of a pack to boot; excludes `image` and `smolfile`. */
  readonly from?: string | undefined
  /** The command that the machine runs, from 1.0.0. Ignored with `from` before 1.6.4, and so refused. */
  readonly command?: ReadonlyArray<string> | undefined
  /** The directory in which commands start. Ignored with `from`, and so refused. */
  readonly workdir?: string | undefined
  /** Memory of the virtual GPU in MiB, at least 1. Ignored with `from`, and so refused. */
  readonly gpuVramMib?: number | undefined
  /**
   * Asks for a network. Sent anyway where `allowCidrs` is not empty; `false` refuses everything that needs one. A pack that
   * was made with a network has one without being asked.
   */
  readonly net?: boolean | undefined
  /** Directories of the host to mount: absolute paths without `:`. Remote sources (`s3://`, rclone) from 1.9.3. */
  readonly volumes?: ReadonlyArray<Value.Volume> | undefined
  /** Unix sockets of the guest to offer on the host, from 1.6.4; at most 64 with those mounted, absolute paths. */
  readonly exposeSockets?: ReadonlyArray<Value.ExposedSocket> | undefined
  /** Unix sockets of the host to offer in the guest, from 1.6.4; at most 64, absolute paths. */
  readonly mountSockets?: ReadonlyArray<Value.Mapping> | undefined
  /** Gives the machine a virtual GPU. Ignored with `from`, and so refused. */
  readonly gpu?: boolean | undefined
  /** Translates x86-64 programs by Rosetta on Apple silicon, from 1.5.0. Ignored with `from`, and so refused. */
  readonly rosetta?: boolean | undefined
  /** Offers the agent of `SSH_AUTH_SOCK` in the guest; without that variable start fails. */
  readonly sshAgent?: boolean | undefined
  /** Shell commands that run once, at the first start. They stand in argv. */
  readonly init?: ReadonlyArray<string> | undefined
  /** Variables of the guest, in order. They stand in argv: secrets go by `secretEnv`. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Variables of the guest taken from smolvm's own environment at every start and exec, from 1.0.0. */
  readonly secretEnv?: ReadonlyArray<Value.SecretEnv> | undefined
  /** Variables of the guest taken from files of the host at every start and exec, from 1.0.0. */
  readonly secretFiles?: ReadonlyArray<Value.SecretFile> | undefined
  /** Labels, from 1.8.0; shown by `machine ls`. Of a repeated name the last value counts. */
  readonly labels?: ReadonlyArray<readonly [string, string]> | undefined
}

const { flag, list, trailing, value } = Subcommand.builders<MachineCreateOptions>()

/** What `--from` takes and ignores, on every known release. */
const ignoredWithFrom: Subcommand.Rule<MachineCreateOptions> = {
  sentence: "With `--from` `--workdir`, `--gpu`, `--gpu-vram` and `--rosetta` are ignored, and so refused.",
  check: ({ from, gpu, gpuVramMib, rosetta, workdir }) => {
    if (from === undefined) return undefined
    const option =
      (workdir === undefined ? undefined : "--workdir") ??
      (gpu === true ? "--gpu" : undefined) ??
      (gpuVramMib === undefined ? undefined : "--gpu-vram") ??
      (rosetta === true ? "--rosetta" : undefined)
    return option === undefined ? undefined : { option, circumstance: "with --from", neededVersion: null }
  }
}

const commandIsHeeded: ReadonlyArray<Subcommand.Rule<MachineCreateOptions>> = [
  {
    sentence: "A command is taken from 1.0.0 on; with a name as positional it needs that name.",
    check: ({ command = [], name }, { createCommand, nameStyle }) => {
      if (command.length === 0) return undefined
      if (!createCommand) return { option: "command", neededVersion: neededVersion("machine create", "<COMMAND>") }
      return nameStyle === "positional" && name === undefined
        ? {
            option: "the command",
            problem: "needs a name of the machine with this release: its first word would be taken for one"
          }
        : undefined
    }
  },
  {
    sentence: "With `--from` a command is ignored before 1.6.4, and so refused.",
    check: ({ command = [], from }, { commandHeldWithFrom, createCommand }) =>
      from !== undefined && command.length > 0 && createCommand && !commandHeldWithFrom
        ? { option: "command", circumstance: "with --from", neededVersion: "1.6.4" }
        : undefined
  }
]

/**
 * `machine create` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineCreateOptions> = {
  command: "machine create",
  summary: "Registers a machine, which `machine start` boots.",
  options: [
    // The source.
    ...NewMachine.source,
    // Single values, then numbers.
    value("workdir", "--workdir", Value.Text, "-w"),
    ...NewMachine.sizes,
    // The network.
    ...NewMachine.network,
    // Mounts.
    list("volumes", "--volume", Value.AnyVolume, "-v"),
    list("exposeSockets", "--expose-socket", Value.ExposedSocket),
    list("mountSockets", "--mount-socket", Value.SocketMapping),
    // Devices.
    flag("gpu", "--gpu"),
    flag("rosetta", "--rosetta"),
    flag("cuda", "--cuda"),
    flag("autoGraph", "--auto-graph"),
    flag("dockerSocket", "--docker-socket"),
    flag("sshAgent", "--ssh-agent"),
    // What runs at the first start, variables and labels.
    list("init", "--init", Value.Text),
    list("env", "--env", Value.Variable, "-e"),
    list("secretEnv", "--secret-env", Value.SecretEnv),
    list("secretFiles", "--secret-file", Value.SecretFile),
    list("labels", "--label", Value.Variable),
    // The name, last.
    { ...value("name", "--name", Value.MachineName), positional: "NAME" }
  ],
  positionals: [trailing("command", false)],
  rules: [
    Rules.oneSource,
    Rules.netIsWanted,
    Rules.backendIsForANetwork,
    ...Rules.backendTakesIt,
    Rules.portsOnce,
    Rules.volumesOnce,
    Rules.remoteVolumes,
    Rules.socketsOnce,
    Rules.secretsOnce,
    ignoredWithFrom,
    ...commandIsHeeded
  ]
}

/**
 * The arguments of `machine create`. 0.8.0 with `--from` does not derive `--net` from `--allow-cidr`, so it is sent
 * wherever an address is allowed.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineCreateOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Subcommand.argv(
    subcommand,
    options.net === undefined && (options.allowCidrs ?? []).length > 0 ? { ...options, net: true } : options,
    capabilities
  )

/**
 * What of these options the release takes and drops in silence: a policy with `--from` before 1.8.0 or on the TSI backend
 * before 1.1.3, and 4 processors or 8192 MiB, which smolvm cannot tell from its defaults, beside a pack or a Smolfile
 * that may say otherwise.
 *
 * @since 0.1.0
 * @category predicates
 */
export const dropped: (options: MachineCreateOptions, capabilities: Capabilities) => ReadonlyArray<DroppedOption> =
  droppedOf
