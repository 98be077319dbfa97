/**
 * `smolvm machine run`: runs a command in a machine made for it, which goes with the command unless it is detached.
 *
 * smolvm prints what it does on the way (init commands, caches, pulls) on stdout, ahead of the command's own output.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { DroppedOption } from "./internal/dropped.js"
import { droppedOf } from "./internal/dropped.js"
import * as Rules from "./internal/rules.js"
import * as NewMachine from "./NewMachine.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * What to run, and in what kind of machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineRunOptions extends NewMachine.NewMachineOptions {
  /** The `.smolmachine` file of a pack to boot, from 1.0.2; excludes `image`, `smolfile` and much else. */
  readonly from?: string | undefined
  /** The program and its arguments, as they are: no shell reads them. */
  readonly command?: ReadonlyArray<string> | undefined
  /** The name of a detached machine, `default` without one. Ignored without `detach`, and so refused. */
  readonly name?: string | undefined
  /** The directory in which the command starts. */
  readonly workdir?: string | undefined
  /** Ends the command after this long, with exit code 124. */
  readonly timeoutMillis?: number | undefined
  /** Which of an image's platforms to take: `linux/amd64`. */
  readonly ociPlatform?: string | undefined
  /** Memory of the virtual GPU in MiB, at least 1. */
  readonly gpuVramMib?: number | undefined
  /** Asks for a network; `false` refuses everything that needs one. */
  readonly net?: boolean | undefined
  /** The proxy through which an image is pulled, without a user and a password, from 0.8.1. The machine does not see it. */
  readonly proxy?: string | undefined
  /** The hosts that are pulled from without that proxy, from 0.8.1. */
  readonly noProxy?: ReadonlyArray<string> | undefined
  /** Directories of the host to mount: absolute paths without `:`. */
  readonly volumes?: ReadonlyArray<Value.Volume> | undefined
  /** Gives the machine a virtual GPU. */
  readonly gpu?: boolean | undefined
  /** Translates x86-64 programs by Rosetta on Apple silicon, from 1.5.0. */
  readonly rosetta?: boolean | undefined
  /** Gives the guest the docker configuration of the host, with the credentials in it. */
  readonly dockerConfig?: boolean | undefined
  /** Offers the agent of `SSH_AUTH_SOCK` in the guest; without that variable it fails. */
  readonly sshAgent?: boolean | undefined
  /** Does not keep the layer that the init commands make, from 1.2.3. */
  readonly noInitCache?: boolean | undefined
  /** Makes the layer of the init commands anew, from 1.2.3. */
  readonly rebuildInitCache?: boolean | undefined
  /** Keeps what is pulled for the next run, from 1.7.3. */
  readonly ociCache?: boolean | undefined
  /** Runs the command without privileges in the guest, from 1.2.3. */
  readonly unprivileged?: boolean | undefined
  /** Variables of the command, in order. They stand in argv: secrets go by `secretEnv`. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Variables of the command taken from smolvm's own environment, from 1.0.0; excludes `from`. */
  readonly secretEnv?: ReadonlyArray<Value.SecretEnv> | undefined
  /** Variables of the command taken from files of the host, from 1.0.0; excludes `from`. */
  readonly secretFiles?: ReadonlyArray<Value.SecretFile> | undefined
  /** Forwards stdin; output is live. */
  readonly interactive?: boolean | undefined
  /** Gives the command a terminal; both outputs are merged. */
  readonly tty?: boolean | undefined
  /** Leaves the machine running, by its name; excludes `from`. */
  readonly detach?: boolean | undefined
}

const { flag, list, trailing, value } = Subcommand.builders<MachineRunOptions>()

const used = (list: ReadonlyArray<unknown> | undefined): boolean => list !== undefined && list.length > 0

const packIsWhole: Subcommand.Rule<MachineRunOptions> = {
  sentence:
    "`--from` excludes `--detach`, `--name`, `--gpu`, `--gpu-vram`, `--oci-platform`, an egress policy and secrets.",
  check: (options) => {
    if (options.from === undefined) return undefined
    const against: ReadonlyArray<readonly [option: string, isAsked: boolean]> = [
      ["--detach", options.detach === true],
      ["--name", options.name !== undefined],
      ["--gpu", options.gpu === true],
      ["--gpu-vram", options.gpuVramMib !== undefined],
      ["--oci-platform", options.ociPlatform !== undefined],
      ["--allow-cidr", used(options.allowCidrs)],
      ["--allow-host", used(options.allowHosts)],
      ["--outbound-localhost-only", options.outboundLocalhostOnly === true],
      ["--secret-env", used(options.secretEnv)],
      ["--secret-file", used(options.secretFiles)]
    ]
    const other = against.find(([, isAsked]) => isAsked)?.[0]
    return other === undefined
      ? undefined
      : { option: "--from", problem: `cannot be used together with ${other}: create a machine from the pack instead` }
  }
}

const hasWork: Subcommand.Rule<MachineRunOptions> = {
  sentence: "There is a command, or a Smolfile or a pack that may have one, or `-i`, `-t` or `-d`.",
  check: ({ command, detach, from, interactive, smolfile, tty }) =>
    used(command) || smolfile !== undefined || from !== undefined || [detach, interactive, tty].includes(true)
      ? undefined
      : { option: "the command", problem: "must have at least one word, unless it is interactive or detached" }
}

const commandIsNoImage: Subcommand.Rule<MachineRunOptions> = {
  sentence:
    "Without a source, a command whose first word has a `:`, or a `/` but not at its beginning, is taken for an image.",
  check: ({ command: [program = ""] = [], from, image, smolfile }) =>
    image === undefined && from === undefined && smolfile === undefined && /:|^[^/].*\//.test(program)
      ? { option: "the command", problem: "looks like an image to smolvm: give the image as image, or run it by sh -c" }
      : undefined
}

const nameIsOfDetached: Subcommand.Rule<MachineRunOptions> = {
  sentence: "Without `--detach` `--name` is ignored, and so refused.",
  check: ({ detach, name }) =>
    name !== undefined && detach !== true
      ? { option: "--name", circumstance: "without --detach", neededVersion: null }
      : undefined
}

/**
 * `machine run` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineRunOptions> = {
  command: "machine run",
  summary: "Runs a command in a machine made for it, which goes with the command unless it is detached.",
  options: [
    // The source.
    ...NewMachine.source,
    // Single values, then numbers.
    value("workdir", "--workdir", Value.Text, "-w"),
    value("timeoutMillis", "--timeout", Value.DurationMillis),
    value("ociPlatform", "--oci-platform", Value.OciPlatform),
    ...NewMachine.sizes,
    // The network.
    ...NewMachine.network,
    value("proxy", "--proxy", Value.ProxyUrl),
    value("noProxy", "--no-proxy", Value.ProxyExceptions),
    // Mounts.
    list("volumes", "--volume", Value.Volume, "-v"),
    // Devices and caches.
    flag("gpu", "--gpu"),
    flag("rosetta", "--rosetta"),
    flag("cuda", "--cuda"),
    flag("autoGraph", "--auto-graph"),
    flag("dockerSocket", "--docker-socket"),
    flag("dockerConfig", "--docker-config"),
    flag("sshAgent", "--ssh-agent"),
    flag("noInitCache", "--no-init-cache"),
    flag("rebuildInitCache", "--rebuild-init-cache"),
    flag("ociCache", "--oci-cache"),
    flag("unprivileged", "--unprivileged"),
    // Variables.
    list("env", "--env", Value.Variable, "-e"),
    list("secretEnv", "--secret-env", Value.SecretEnv),
    list("secretFiles", "--secret-file", Value.SecretFile),
    // How it runs, and the name.
    flag("interactive", "--interactive", "-i"),
    flag("tty", "--tty", "-t"),
    flag("detach", "--detach", "-d"),
    value("name", "--name", Value.MachineName)
  ],
  positionals: [trailing("command", false)],
  rules: [
    Rules.oneSource,
    packIsWhole,
    hasWork,
    commandIsNoImage,
    nameIsOfDetached,
    Rules.netIsWanted,
    Rules.backendIsForANetwork,
    ...Rules.backendTakesIt,
    Rules.portsOnce,
    Rules.volumesOnce,
    Rules.secretsOnce
  ]
}

/**
 * The arguments of `machine run`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineRunOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)

/**
 * What of these options the release takes and drops in silence: a policy on the TSI backend before 1.1.3, and 4 processors
 * or 8192 MiB, which smolvm cannot tell from its defaults, beside a pack or a Smolfile that may say otherwise.
 *
 * @since 0.1.0
 * @category predicates
 */
export const dropped: (options: MachineRunOptions, capabilities: Capabilities) => ReadonlyArray<DroppedOption> =
  droppedOf
