/**
 * What a `run` or `plan` line asks for, decided from its flags by a pure function.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import type { PolicyError } from "@bottle/egress/PolicyError"
import * as Rule from "@bottle/egress/Rule"
import type { LaunchOptions, MachineSource, Mount } from "@bottle/engine/LaunchOptions"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import {
  type Format,
  formatOf,
  parseCpus,
  parseEnvironment,
  parseMem,
  parseTimeout,
  parseTty,
  parseWorkdir,
  shown,
  type Surroundings,
  type TtyChoice,
  usage
} from "./FlagValues.js"
import * as Printable from "./Printable.js"
import type { UsageError } from "./UsageError.js"

export type { Format, Surroundings } from "./FlagValues.js"

/**
 * The flags of a line as the parser hands them over, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface LaunchFlags {
  readonly image: Option.Option<string>
  readonly from: Option.Option<string>
  readonly allow: ReadonlyArray<string>
  readonly deny: ReadonlyArray<string>
  readonly policy: Option.Option<string>
  readonly resolve: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
  readonly volume: ReadonlyArray<string>
  readonly workdir: Option.Option<string>
  readonly timeout: Option.Option<string>
  readonly interactive: boolean
  readonly tty: boolean
  readonly noTty: boolean
  readonly cpus: Option.Option<string>
  readonly mem: Option.Option<string>
  readonly name: Option.Option<string>
  readonly keepOnFailure: boolean
  readonly runtime: Option.Option<string>
  readonly bundle: Option.Option<string>
  readonly topology: Option.Option<string>
  readonly unprovenEgress: boolean
  readonly bundleImage: Option.Option<string>
  readonly bundleBase: Option.Option<string>
  readonly manifest: Option.Option<string>
  readonly bottle: Option.Option<string>
  readonly agent: Option.Option<string>
  readonly workspace: Option.Option<string>
  readonly trace: Option.Option<string>
  readonly format: Option.Option<string>
  readonly report: Option.Option<string>
  readonly quiet: boolean
}

/**
 * What a container bundle is made with, as far as the line or the environment says.
 *
 * - `program`: `docker`, or a program with its command line
 * - `image`, `base`: `null` where the choice is ours
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerChoice {
  readonly program: string
  readonly image: string | null
  readonly base: string | null
}

/**
 * A line, understood.
 *
 * - `policyFile`: the policy document, which is read when the launch is decided and at each SIGUSR2
 * - `tty`: `auto` decides by whether standard input and output are a terminal
 * - `secrets`: the values behind `-e K`, apart from everything that can be printed
 * - `runtime`: as it was written; `null` when the choice is ours
 *
 * @since 0.1.0
 * @category models
 */
export interface RunRequest {
  readonly options: LaunchOptions
  readonly policyFile: string | null
  readonly container: ContainerChoice
  readonly command: ReadonlyArray<string>
  readonly secrets: ReadonlyMap<string, Redacted.Redacted<string>>
  readonly timeoutMillis: number | undefined
  readonly interactive: boolean
  readonly tty: TtyChoice
  readonly runtime: string | null
  readonly format: Format
  readonly report: string | null
  readonly trace: string | null
  readonly quiet: boolean
}

const checkPolicy = (flags: LaunchFlags): Either.Either<void, UsageError> => {
  const check = (flag: string, parse: (entry: string) => Either.Either<unknown, PolicyError>) => (entry: string) =>
    Either.mapLeft(parse(entry), (error) => usage(`${flag} ${shown(entry)}: ${error.detail}`, error.suggestion))
  return Either.all([
    ...flags.allow.map(check("--allow", (entry) => Rule.parseAllow(entry))),
    ...flags.deny.map(check("--deny", (entry) => Rule.parseDeny(entry))),
    ...flags.resolve.map(check("--resolve", (entry) => Policy.parseResolve(entry)))
  ]).pipe(Either.map(() => undefined))
}

const parseSource = (flags: LaunchFlags, cwd: string): Either.Either<MachineSource, UsageError> => {
  if (Option.isSome(flags.image) && Option.isSome(flags.from)) {
    return Either.left(
      usage("--image and --from exclude each other", "--image to boot from an image, --from from a pack")
    )
  }
  if (Option.isSome(flags.from)) return Either.right({ _tag: "Pack", path: Path.resolve(cwd, flags.from.value) })
  if (Option.isNone(flags.image)) return Either.right({ _tag: "Bare" })
  const reference = flags.image.value
  // A path must mean the same file wherever it is read; anything else is a registry's name and stays as it is.
  const isPath =
    reference.startsWith("/") ||
    reference.startsWith("./") ||
    reference.startsWith("../") ||
    reference === "." ||
    reference === ".."
  return Either.right({ _tag: "Image", reference: isPath ? Path.resolve(cwd, reference) : reference })
}

const parseMount = (text: string, cwd: string): Either.Either<Mount, UsageError> => {
  const parts = text.split(":")
  const mode = parts.length > 2 ? parts.at(-1) : undefined
  const [host, guest] = parts
  if (parts.length < 2 || parts.length > 3 || host === undefined || host === "" || guest === undefined) {
    return Either.left(usage(`-v ${shown(text)} is not HOST:GUEST`, "-v ./work:/work, or -v ./work:/work:ro"))
  }
  if (mode !== undefined && mode !== "ro") {
    return Either.left(
      usage(`-v ${shown(text)} ends in something other than ro`, `-v ${Printable.line(`${host}:${guest}`, 80)}:ro`)
    )
  }
  if (!guest.startsWith("/")) {
    return Either.left(
      usage(`-v ${shown(text)}: the guest's path is not absolute`, `-v ${Printable.line(`${host}:/${guest}`, 80)}`)
    )
  }
  return Either.right({ host: Path.resolve(cwd, host), guest, readonly: mode === "ro" })
}

const parseBundle = (flags: LaunchFlags): Either.Either<LaunchOptions["bundle"], UsageError> => {
  const bundle = Option.getOrUndefined(flags.bundle)
  if (bundle === "none" && flags.allow.length > 0) {
    return Either.left(usage("--allow needs a proxy, and --bundle none has none", "leave out --bundle, or --allow"))
  }
  const image = Option.isSome(flags.bundleImage)
    ? "--bundle-image"
    : Option.isSome(flags.bundleBase)
      ? "--bundle-base"
      : undefined
  if (image !== undefined && (bundle === "process" || bundle === "none")) {
    return Either.left(
      usage(`${image} needs a container, and --bundle ${bundle} has none`, `leave out ${image}, or --bundle container`)
    )
  }
  return Either.right(bundle === "process" || bundle === "container" || bundle === "none" ? bundle : undefined)
}

const parseTopology = (flags: LaunchFlags): LaunchOptions["topology"] => {
  const topology = Option.getOrUndefined(flags.topology)
  return topology === "socket" || topology === "address" ? topology : undefined
}

const parseReference = (flag: string, value: string | undefined): Either.Either<string | null, UsageError> => {
  if (value === undefined || value === "") return Either.right(null)
  return /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/.test(value)
    ? Either.right(value)
    : Either.left(usage(`${flag} ${shown(value)} is no image's name`, `${flag} NAME:TAG`))
}

/**
 * The program that runs containers: what `BOTTLE_DOCKER` names, else docker.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dockerProgram = (environment: Readonly<Record<string, string>>): string =>
  environment["BOTTLE_DOCKER"] || "docker"

const parseContainer = (
  flags: LaunchFlags,
  environment: Readonly<Record<string, string>>
): Either.Either<ContainerChoice, UsageError> =>
  Either.all({
    program: Either.right(dockerProgram(environment)),
    image: Option.match(flags.bundleImage, {
      onNone: () => parseReference("BOTTLE_BUNDLE_IMAGE", environment["BOTTLE_BUNDLE_IMAGE"]),
      onSome: (value) => parseReference("--bundle-image", value)
    }),
    base: Option.match(flags.bundleBase, {
      onNone: () => parseReference("BOTTLE_BUNDLE_BASE", environment["BOTTLE_BUNDLE_BASE"]),
      onSome: (value) => parseReference("--bundle-base", value)
    })
  })

/**
 * The request of a `run` or `plan` line. Paths become absolute against the directory the line was typed in.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  flags: LaunchFlags,
  tail: ReadonlyArray<string> | null,
  surroundings: Surroundings
): Either.Either<RunRequest, UsageError> =>
  Either.gen(function* () {
    const { cwd } = surroundings
    yield* checkPolicy(flags)
    const source = yield* parseSource(flags, cwd)
    const mounts = yield* Either.all(flags.volume.map((volume) => parseMount(volume, cwd)))
    const { env, secrets } = yield* parseEnvironment(flags.env, surroundings.environment)
    const workdir = yield* parseWorkdir(flags.workdir)
    const timeoutMillis = yield* parseTimeout(flags.timeout)
    const cpus = yield* parseCpus(flags.cpus)
    const memMib = yield* parseMem(flags.mem)
    const tty = yield* parseTty(flags)
    const bundle = yield* parseBundle(flags)
    const container = yield* parseContainer(flags, surroundings.environment)
    const policyFile = Option.map(flags.policy, (file) => Path.resolve(cwd, file))
    const report = Option.map(flags.report, (file) => Path.resolve(cwd, file))
    return {
      options: {
        // Its words may be private; what program it is shows in any list of processes.
        name: Option.getOrElse(flags.name, () => (tail?.[0] === undefined ? undefined : Path.basename(tail[0]))),
        source,
        allow: flags.allow,
        deny: flags.deny,
        resolve: flags.resolve,
        env,
        secrets: [...secrets.keys()],
        mounts,
        workdir,
        cpus,
        memMib,
        bundle,
        topology: parseTopology(flags),
        unprovenEgress: flags.unprovenEgress,
        keepOnFailure: flags.keepOnFailure
      },
      policyFile: Option.getOrNull(policyFile),
      container,
      command: tail ?? [],
      secrets,
      timeoutMillis,
      interactive: flags.interactive,
      tty,
      runtime: Option.getOrNull(flags.runtime),
      format: formatOf(flags.format),
      report: Option.getOrNull(report),
      trace: Option.getOrNull(Option.map(flags.trace, (file) => Path.resolve(cwd, file))),
      quiet: flags.quiet
    }
  })
