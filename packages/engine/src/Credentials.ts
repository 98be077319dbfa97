/**
 * The values of a policy's credentials, read on the host when a bottle is launched: from a variable, a file, or a
 * command such as a password manager's. They go to the bundle and to nobody else: not to the guest, and into no plan,
 * argv, record, ledger or error.
 *
 * @since 0.1.0
 */
import type { Credential } from "@bottle/egress/Credential"
import * as Capture from "@bottle/process/Capture"
import type { Variables } from "@bottle/process/Environment"
import type { ProcessError } from "@bottle/process/ProcessError"
import { printable } from "@bottle/process/Text"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import { CredentialMissing, OptionRefused } from "./LaunchError.js"
import type { Mount } from "./LaunchOptions.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import * as MountedPath from "./MountedPath.js"

/** More than any header that a server takes, and less than the proxy's own bound of all headers together. */
const VALUE_BYTES_MAX = 16 * 1024

/** Somebody may have to touch a key, or to unlock a password manager. */
const COMMAND_TIMEOUT_MILLIS = 30_000

/** A command that asks nobody has answered by then. */
const COMMAND_SLOW_MILLIS = 2000

/** Of each stream of a command: the value has to fit, and its complaints are not kept. */
const COMMAND_OUTPUT_BYTES_MAX = 64 * 1024

const AT_ONE_TIME = 8
const WORD_CHARS_MAX = 120

const SourceKind = Schema.Literal("env", "file", "command")

/**
 * The value of a credential could not be read on the host: its variable is not set, its file is not there or is not safe
 * to use, its command failed, or what came is no header's value. It never holds the value, nor what the command wrote.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialUnavailable extends Schema.TaggedError<CredentialUnavailable>(
  "@bottle/engine/CredentialUnavailable"
)("CredentialUnavailable", {
  name: Schema.String,
  source: SourceKind,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `credential ${this.name}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * What whoever launches should know while values are read.
 *
 * - `CommandSlow`: a command has not answered yet, and somebody may have to do something for it
 * - `FileReadable`: other users of this machine can read the file
 *
 * @since 0.1.0
 * @category models
 */
export type Notice =
  | { readonly _tag: "CommandSlow"; readonly name: string; readonly program: string; readonly timeoutMillis: number }
  | { readonly _tag: "FileReadable"; readonly name: string; readonly file: string }

/**
 * Where the values of credentials are read.
 *
 * - `environment`: the variables of `env` sources and of commands; its `HOME` is what `~` stands for
 * - `mounts`: what the guest sees of the host. A file below one of them is refused, and a program that the guest could
 *   change
 * - `onNotice`: is told what is worth telling
 *
 * @since 0.1.0
 * @category models
 */
export interface ReadOptions {
  readonly environment: Variables
  readonly mounts: ReadonlyArray<Mount>
  readonly onNotice?: ((notice: Notice) => Effect.Effect<void>) | undefined
}

const shown = (text: string): string => {
  const safe = printable(text)
  return safe.length <= WORD_CHARS_MAX ? safe : `${safe.slice(0, WORD_CHARS_MAX)}...`
}

/** How the reading of one credential fails. */
type Refuse = (reason: string, advice: string) => CredentialUnavailable

const refuserOf =
  (name: string, source: typeof SourceKind.Type): Refuse =>
  (reason, advice) =>
    new CredentialUnavailable({ name, source, reason, advice })

const fromVariable = (
  variable: string,
  { environment }: ReadOptions,
  refuse: Refuse
): Effect.Effect<string, CredentialUnavailable> => {
  const value = Object.hasOwn(environment, variable) ? environment[variable] : undefined
  if (value !== undefined && value !== "") return Effect.succeed(value)
  return refuse(
    `the variable ${shown(variable)} is ${value === undefined ? "not set" : "empty"} here`,
    `Set it and launch again: read -rs ${variable} && export ${variable}`
  )
}

const fileError =
  (refuse: Refuse, file: string) =>
  (error: PlatformError): CredentialUnavailable =>
    error._tag === "SystemError" && error.reason === "NotFound"
      ? refuse(
          `there is no file ${shown(file)}`,
          "Check its name; it is looked for on this machine, not in the bottle."
        )
      : refuse(`the file ${shown(file)} cannot be read`, "Name a file that you may read.")

const WRITABLE_BY_OTHERS = 0o022
const READABLE_BY_OTHERS = 0o044

const STICKY = 0o1000

/** Whoever can write to the file, or put another one in its place, has the guest use a key of somebody else. */
const refuseOthers = (
  file: string,
  refuse: Refuse
): Effect.Effect<void, CredentialUnavailable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const failed = Effect.mapError(fileError(refuse, file))
    const own = process.getuid?.() ?? 0
    const real = yield* failed(fs.realPath(file))
    for (const path of [...(yield* MountedPath.directoriesTo(file)), real]) {
      const { mode, uid } = yield* failed(fs.stat(path))
      const what = path === real ? shown(file) : `${shown(path)}, on the way to ${shown(file)}`
      const holder = Option.getOrElse(uid, () => own)
      if (holder !== own && holder !== 0) {
        return yield* refuse(`another user owns ${what}`, "Keep the file in a directory of your own.")
      }
      // Of a directory such as /tmp nobody takes away what is another's.
      if ((mode & WRITABLE_BY_OTHERS) === 0 || (path !== real && (mode & STICKY) !== 0)) continue
      return yield* refuse(
        `other users can write to ${what}`,
        path === real ? `chmod 600 ${shown(file)}` : `chmod go-w ${shown(path)}`
      )
    }
  })

const fromFile = (
  name: string,
  path: string,
  { environment, mounts, onNotice }: ReadOptions,
  refuse: Refuse
): Effect.Effect<string, CredentialUnavailable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const home = environment["HOME"] ?? ""
    if (path.startsWith("~/") && !home.startsWith("/")) {
      return yield* refuse(`HOME is not set, so ${shown(path)} leads nowhere`, "Write the whole path of the file.")
    }
    const file = path.startsWith("~/") ? `${home}/${path.slice(2)}` : path
    const failed = Effect.mapError(fileError(refuse, file))
    // A pipe would wait for whoever writes to it.
    const info = yield* failed(fs.stat(file))
    if (info.type !== "File") return yield* refuse(`${shown(file)} is not a regular file`, "Name a regular file.")
    if (info.size > VALUE_BYTES_MAX) {
      return yield* refuse(
        `the file ${shown(file)} is longer than ${VALUE_BYTES_MAX} bytes`,
        "Name a file that holds the value and nothing else."
      )
    }
    const changed = yield* MountedPath.changedThrough(file, mounts)
    const mounted = Option.isSome(changed) ? changed : yield* MountedPath.readThrough(file, mounts)
    if (Option.isSome(mounted)) {
      return yield* refuse(
        `the guest can ${Option.isSome(changed) ? "change" : "read"} ${shown(file)}, below its mount ${shown(mounted.value.host)}`,
        "Keep the file outside of what the guest sees."
      )
    }
    yield* refuseOthers(file, refuse)
    if ((info.mode & READABLE_BY_OTHERS) !== 0 && onNotice !== undefined) {
      yield* onNotice({ _tag: "FileReadable", name, file })
    }
    return (yield* failed(fs.readFileString(file))).replace(/\r?\n$/, "")
  })

/** What a command's failure may say: its program's name, and never a word that it wrote. */
const commandError =
  (refuse: Refuse, program: string) =>
  (error: ProcessError): CredentialUnavailable => {
    switch (error._tag) {
      case "ProcessTimedOut":
        return refuse(
          `${shown(program)} did not answer within ${COMMAND_TIMEOUT_MILLIS / 1000} s`,
          "Run it by hand first: it may ask to be unlocked, which it cannot do here."
        )
      case "OutputTooLarge":
        return refuse(
          `${shown(program)} wrote more than ${COMMAND_OUTPUT_BYTES_MAX} bytes`,
          "Use a command that prints the value and nothing else."
        )
      case "ProgramNotFound":
      case "SpawnRefused":
        return refuse(error.message, error.suggestion)
    }
  }

const EXECUTABLE = 0o111

/** The file that a program's name stands for, in the `PATH` that it is run with. */
const fileOf = (
  program: string,
  { environment }: ReadOptions
): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (program.includes("/")) return Path.resolve(program)
    const fs = yield* FileSystem.FileSystem
    for (const directory of (environment["PATH"] ?? "").split(":")) {
      const file = Path.resolve(directory, program)
      const info = yield* Effect.option(fs.stat(file))
      if (Option.exists(info, ({ mode, type }) => type === "File" && (mode & EXECUTABLE) !== 0)) return file
    }
    return undefined
  })

/** What a guest of an earlier bottle has written would be run here, as the user. */
const refuseChanged = (
  { args, file, program }: { readonly program: string; readonly file: string; readonly args: ReadonlyArray<string> },
  { mounts }: ReadOptions,
  refuse: Refuse
): Effect.Effect<void, CredentialUnavailable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    // A word that is a path may be a script that the program reads, or what tells it what to do.
    const words = [[`the program ${shown(program)}`, file], ...args.map((word) => [shown(word), word])] as const
    for (const [what = "", word = ""] of words) {
      // As if something were in it: a directory may be a program's too.
      const mount = word.startsWith("/") ? yield* MountedPath.changedThrough(`${word}/-`, mounts) : Option.none()
      if (Option.isNone(mount)) continue
      return yield* refuse(
        `the guest can change ${what}, below its mount ${shown(mount.value.host)}`,
        "Keep the program outside of what the guest can write to, or mount that read-only."
      )
    }
  })

const fromCommand = (
  name: string,
  [program = "", ...args]: ReadonlyArray<string>,
  options: ReadOptions,
  refuse: Refuse
): Effect.Effect<string, CredentialUnavailable, FileSystem.FileSystem | CommandExecutor> =>
  Effect.gen(function* () {
    const file = (yield* fileOf(program, options)) ?? program
    yield* refuseChanged({ program, file, args }, options, refuse)
    const { environment, onNotice } = options
    const slow = { _tag: "CommandSlow", name, program, timeoutMillis: COMMAND_TIMEOUT_MILLIS } as const
    // Beside it and not in a race with it: a race that is interrupted does not wait for the command's end.
    if (onNotice !== undefined) yield* Effect.forkScoped(Effect.delay(onNotice(slow), COMMAND_SLOW_MILLIS))
    const { exit, stdout } = yield* Capture.capture(
      // Many programs take their modules or settings from where they are run, which may be what the guest has written to.
      { program: file, args, env: environment, cwd: "/" },
      { timeoutMillis: COMMAND_TIMEOUT_MILLIS, capBytes: COMMAND_OUTPUT_BYTES_MAX }
    ).pipe(Effect.mapError(commandError(refuse, program)))
    if (exit.code !== 0 || exit.signal !== null) {
      const how = exit.signal === null ? `ended with exit code ${exit.code}` : `was killed by ${exit.signal}`
      return yield* refuse(
        `${shown(program)} ${how}`,
        "Run the command by hand to see what it says: its words may hold the value, so they are not shown here."
      )
    }
    const text = Option.getOrNull(decodeStrictly(stdout))
    if (text === null) return yield* refuse(`${shown(program)} printed something other than text`, PLAIN_ADVICE)
    return text.replace(/\r?\n$/, "")
  }).pipe(Effect.scoped)

const PLAIN_ADVICE = "Let the source hold the value alone: one line of visible ASCII."

const decodeStrictly = Option.liftThrowable((bytes: Uint8Array) =>
  new TextDecoder("utf-8", { fatal: true }).decode(bytes)
)

/**
 * Why a value is none that a header can carry, in words that say nothing of it; `null` where it is one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const problemOf = (value: Redacted.Redacted): string | null => {
  const text = Redacted.value(value)
  if (text === "") return "its value is empty"
  if (Buffer.byteLength(text) > VALUE_BYTES_MAX) return `its value is longer than ${VALUE_BYTES_MAX} bytes`
  if (/[\r\n]/.test(text)) return "its value has more than one line"
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text)
    ? null
    : "its value holds a character that no header carries, or a space at an end"
}

const readOne = (
  name: string,
  { source }: Pick<Credential, "source">,
  options: ReadOptions
): Effect.Effect<
  readonly [string, Redacted.Redacted],
  CredentialUnavailable,
  FileSystem.FileSystem | CommandExecutor
> =>
  Effect.gen(function* () {
    const kind = "env" in source ? "env" : "file" in source ? "file" : "command"
    const refuse = refuserOf(name, kind)
    const text =
      "env" in source
        ? yield* fromVariable(source.env, options, refuse)
        : "file" in source
          ? yield* fromFile(name, source.file, options, refuse)
          : yield* fromCommand(name, source.command, options, refuse)
    const value = Redacted.make(text)
    const problem = problemOf(value)
    return problem === null ? ([name, value] as const) : yield* refuse(problem, PLAIN_ADVICE)
  })

/**
 * Reads the value of every credential on the host, several at one time. The first that cannot be had fails, and ends the
 * commands of the others; so does an interruption.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  credentials: ReadonlyMap<string, Pick<Credential, "source">>,
  options: ReadOptions
): Effect.Effect<
  ReadonlyMap<string, Redacted.Redacted>,
  CredentialUnavailable,
  FileSystem.FileSystem | CommandExecutor
> =>
  Effect.gen(function* () {
    const failed = yield* Deferred.make<never, CredentialUnavailable>()
    const turns = yield* Effect.makeSemaphore(AT_ONE_TIME)
    // In fibers of the scope, which closes when every command that still ran has ended.
    const reading = yield* Effect.forEach(credentials, ([name, credential]) =>
      readOne(name, credential, options).pipe(
        turns.withPermits(1),
        Effect.tapError((error) => Deferred.fail(failed, error)),
        Effect.forkScoped
      )
    )
    return new Map(yield* Effect.raceFirst(Effect.forEach(reading, Fiber.join), Deferred.await(failed)))
  }).pipe(Effect.scoped)

/** The credentials that a plan names. */
const planned = ({ egress }: Pick<LaunchPlan, "egress">): ReadonlyMap<string, Pick<Credential, "source">> =>
  new Map(Object.entries(egress.credentials ?? {}))

/** What the guest sees of the host: also the directory that it is given a copy of, as it is by then. */
const seenBy = ({ guest, workspace }: Pick<LaunchPlan, "guest" | "workspace">): ReadonlyArray<Mount> =>
  workspace === null
    ? guest.mounts
    : [...guest.mounts, { host: workspace.source, guest: "/workspace", readonly: workspace.mode !== "rw" }]

/**
 * Reads the values that the launch of a plan has to be given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forPlan = (
  plan: Pick<LaunchPlan, "egress" | "guest" | "workspace">,
  options: Omit<ReadOptions, "mounts">
): ReturnType<typeof read> => read(planned(plan), { ...options, mounts: seenBy(plan) })

/**
 * The values of a plan's credentials and of nothing else, out of what a launch was given.
 *
 * @since 0.1.0
 * @category conversions
 */
export const take = (
  plan: Pick<LaunchPlan, "egress">,
  given: ReadonlyMap<string, Redacted.Redacted> = new Map()
): Effect.Effect<ReadonlyMap<string, Redacted.Redacted>, CredentialMissing> =>
  Effect.map(
    Effect.forEach(planned(plan).keys(), (name) => {
      const value = given.get(name)
      const problem = value === undefined ? "no value was given for it" : problemOf(value)
      return value === undefined || problem !== null
        ? new CredentialMissing({ name, reason: problem ?? "" })
        : Effect.succeed([name, value] as const)
    }),
    (entries) => new Map(entries)
  )

/**
 * Refuses a secret that is the value of a credential, under whatever name the guest would have it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const refuseShared = (
  secrets: ReadonlyMap<string, Redacted.Redacted>,
  credentials: ReadonlyMap<string, Redacted.Redacted>
): Effect.Effect<void, OptionRefused> => {
  const names = new Map([...credentials].map(([name, value]) => [Redacted.value(value), name]))
  for (const [variable, value] of secrets) {
    const name = names.get(Redacted.value(value))
    if (name === undefined) continue
    return new OptionRefused({
      option: "env",
      reason: `${variable} would give the guest the value that the credential ${name} keeps from it`,
      advice: `Leave out ${variable}, or the credential ${name}.`
    })
  }
  return Effect.void
}

/**
 * The host's variables that hold secrets of a plan: those that only the guest is given, and those that a credential's
 * value is read from. No process that outlives the launch has a use for them.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hiddenVariables = (plan: Pick<LaunchPlan, "egress" | "guest">): ReadonlyArray<string> => [
  ...new Set([
    ...plan.guest.secrets,
    ...[...planned(plan).values()].flatMap(({ source }) => ("env" in source ? [source.env] : []))
  ])
]

/**
 * Where a value comes from, on one line and without the value: `the variable NAME`, `the file PATH`, `the command WORDS`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sourceText = (source: Credential["source"]): string => {
  if ("env" in source) return `the variable ${printable(source.env)}`
  return "file" in source
    ? `the file ${printable(source.file)}`
    : `the command ${source.command.map((word) => printable(word)).join(" ")}`
}
