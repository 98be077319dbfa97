/**
 * `smolvm pack create`: makes an artifact that a machine can be created from without pulling.
 *
 * `-o X` writes `X`, an executable, and `X.smolmachine`, which is what `machine create --from` takes.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * What to pack, and where to.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackCreateOptions {
  /** The image to pack, pulled if need be; excludes `fromVm`. One of `image`, `fromVm` and `smolfile` is needed. */
  readonly image?: string | undefined
  /** The machine to pack, which must be stopped; excludes `image`. */
  readonly fromVm?: string | undefined
  /** The Smolfile that describes what to pack. */
  readonly smolfile?: string | undefined
  /** Where to write; must not end in `.smolmachine`, which 1.7.0 and later refuse. */
  readonly output: string
  /** Which of an image's platforms to take: `linux/amd64`. */
  readonly ociPlatform?: string | undefined
  /** What the packed machine runs, in place of the image's own. */
  readonly entrypoint?: string | undefined
  /** Virtual processors of the packed machine, 1 to 255; smolvm's own default is 4. */
  readonly cpus?: number | undefined
  /** Memory of the packed machine in MiB, at least 64; smolvm's own default is 8192. */
  readonly memMib?: number | undefined
  /** smolvm's `--rebase-from-image`, from 1.3.4; needs `fromVm`. */
  readonly rebaseFromImage?: boolean | undefined
  /** Gives the packed machine a virtual GPU. */
  readonly gpu?: boolean | undefined
  /** Leaves the executable unsigned (macOS). */
  readonly noSign?: boolean | undefined
  /** Writes one file, without a sidecar. */
  readonly singleFile?: boolean | undefined
  /** Where to put the artifact together, from 1.2.0. */
  readonly stagingDir?: string | undefined
  /** The proxy through which an image is pulled, without a user and a password, from 0.8.1. The machine does not see it. */
  readonly proxy?: string | undefined
  /** The hosts that are pulled from without that proxy, from 0.8.1. */
  readonly noProxy?: ReadonlyArray<string> | undefined
  /** The executable to put in front of the artifact, in place of smolvm's own. */
  readonly stub?: string | undefined
  /** The directory of the libraries to pack, in place of smolvm's own. */
  readonly libDir?: string | undefined
  /** The directory of the agent's root file system to pack, in place of smolvm's own. */
  readonly rootfsDir?: string | undefined
}

const { flag, value } = Subcommand.builders<PackCreateOptions>()

const hasSource: Subcommand.Rule<PackCreateOptions> = {
  sentence: "One of `--image`, `--from-vm` and `--smolfile` is given; `--image` excludes `--from-vm`.",
  check: ({ fromVm, image, smolfile }) => {
    if (image !== undefined && fromVm !== undefined) {
      return { option: "--from-vm", problem: "cannot be used together with --image" }
    }
    return image === undefined && fromVm === undefined && smolfile === undefined
      ? { option: "--image", problem: "must be given, or --from-vm, or --smolfile" }
      : undefined
  }
}

const rebasesAMachine: Subcommand.Rule<PackCreateOptions> = {
  sentence: "`--rebase-from-image` needs `--from-vm`.",
  check: ({ fromVm, rebaseFromImage }) =>
    rebaseFromImage === true && fromVm === undefined
      ? { option: "--rebase-from-image", problem: "needs a machine to pack: add fromVm" }
      : undefined
}

const suffixIsSmolvms: Subcommand.Rule<PackCreateOptions> = {
  sentence: "From 1.7.0 on `--output` does not end in `.smolmachine`.",
  check: ({ output }, { packSuffixRefused }) =>
    packSuffixRefused && output.endsWith(".smolmachine")
      ? { option: "--output", problem: "must not end in .smolmachine: smolvm appends that itself" }
      : undefined
}

/**
 * `pack create` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<PackCreateOptions> = {
  command: "pack create",
  summary: "Makes an artifact that a machine can be created from without pulling.",
  options: [
    // The source.
    value("image", "--image", Value.Text),
    value("fromVm", "--from-vm", Value.MachineName),
    value("smolfile", "--smolfile", Value.Text),
    // Where it goes.
    { ...value("output", "--output", Value.Text, "-o"), required: true },
    // Single values, then numbers.
    value("ociPlatform", "--oci-platform", Value.OciPlatform),
    value("entrypoint", "--entrypoint", Value.Text),
    value("cpus", "--cpus", Value.Cpus),
    value("memMib", "--mem", Value.MemMib),
    // How it is made.
    flag("rebaseFromImage", "--rebase-from-image"),
    flag("gpu", "--gpu"),
    flag("noSign", "--no-sign"),
    flag("singleFile", "--single-file"),
    value("stagingDir", "--staging-dir", Value.Text),
    value("proxy", "--proxy", Value.ProxyUrl),
    value("noProxy", "--no-proxy", Value.ProxyExceptions),
    // What it is made with.
    value("stub", "--stub", Value.Text),
    value("libDir", "--lib-dir", Value.Text),
    value("rootfsDir", "--rootfs-dir", Value.Text)
  ],
  positionals: [],
  rules: [hasSource, rebasesAMachine, suffixIsSmolvms]
}

/**
 * The arguments of `pack create`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackCreateOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)

/**
 * A pack of a machine, which must be stopped.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackCreateFromVmOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** Where to write; must not end in `.smolmachine`, which 1.7.0 and later refuse. */
  readonly output: string
}

/**
 * The arguments of `pack create --from-vm`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argvFromVm = (
  { name, output }: PackCreateFromVmOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => argv({ fromVm: name, output }, capabilities)
