/**
 * Files and directories into a machine and out of it, as `cp` and `scp -r` do: by tar in the guest, or, where there is none,
 * file by file through the runtime.
 *
 * @since 0.1.0
 */
import * as Release from "@bottle/process/Release"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Archive from "./Archive.js"
import { type ArchiveError, DestinationRefused, SourceRefused } from "./ArchiveError.js"
import type { Capabilities } from "./Capabilities.js"
import * as HostPath from "./internal/archive/hostPath.js"
import * as Names from "./internal/archive/names.js"
import { attempt } from "./internal/archive/run.js"

/**
 * A command that a copy runs in the guest.
 *
 * - `env`: added to the machine's own
 * - `timeoutMillis`: after it the command is killed; without it there is no limit
 *
 * @since 0.1.0
 * @category models
 */
export interface GuestCommand {
  readonly command: ReadonlyArray<string>
  readonly env: ReadonlyArray<readonly [name: string, value: string]>
  readonly workdir: string
  readonly timeoutMillis?: number | undefined
}

/**
 * How a command in the guest ended, 124 where its time was over.
 *
 * @since 0.1.0
 * @category models
 */
export interface GuestExit {
  readonly exitCode: number
}

/**
 * What a command in the guest says: its output as it comes, and exactly one `Exit` at the end.
 *
 * @since 0.1.0
 * @category models
 */
export type GuestOutput =
  | { readonly _tag: "Stdout"; readonly bytes: Uint8Array }
  | { readonly _tag: "Stderr"; readonly bytes: Uint8Array }
  | { readonly _tag: "Exit"; readonly exit: GuestExit }

/**
 * A machine as a copy sees it.
 *
 * - `workdir`: of the guest, absolute: where its relative paths begin
 * - `directory`: of this machine, absolute: where files may stand for as long as a copy takes, that nobody else can see
 * - `guestWritable`: directories of this machine that the guest can write to
 * - `capabilities`: what the runtime can do
 * - `exec`: runs a command without input; `stream`: the same with its output as it comes, and an input, each byte for byte.
 *   One that is interrupted must leave nothing of it in the guest
 * - `cpIn`, `cpOut`: the runtime's own copy of one file, by absolute paths
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint<E> {
  readonly workdir: string
  readonly directory: string
  readonly guestWritable: ReadonlyArray<string>
  readonly capabilities: Pick<Capabilities, "stdinLargeSafe" | "cpReachesWorkload">
  readonly exec: (command: GuestCommand) => Effect.Effect<{ readonly exit: GuestExit; readonly stdout: Uint8Array }, E>
  readonly stream: (
    command: GuestCommand & { readonly stdin?: Stream.Stream<Uint8Array> | undefined }
  ) => Stream.Stream<GuestOutput, E>
  readonly cpIn: (options: { readonly host: string; readonly guest: string }) => Effect.Effect<void, E>
  readonly cpOut: (options: { readonly guest: string; readonly host: string }) => Effect.Effect<void, E>
}

/**
 * A place in the guest that cannot be copied from or to.
 *
 * @since 0.1.0
 * @category errors
 */
export class GuestPathRefused extends Schema.TaggedError<GuestPathRefused>("@bottle/smolvm/GuestPathRefused")(
  "GuestPathRefused",
  { path: Schema.String, reason: Schema.String, advice: Schema.String }
) {
  override get message(): string {
    return `${this.path} in the guest ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * A directory is copied by tar, and the guest has none.
 *
 * @since 0.1.0
 * @category errors
 */
export class GuestLacksTar extends Schema.TaggedError<GuestLacksTar>("@bottle/smolvm/GuestLacksTar")("GuestLacksTar", {
  path: Schema.String
}) {
  override get message(): string {
    return `the guest has no tar, without which ${this.path} cannot be copied: it is a directory`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install tar in the image, or copy the files one by one."
  }
}

/**
 * The guest's side of a copy failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferFailed extends Schema.TaggedError<TransferFailed>("@bottle/smolvm/TransferFailed")(
  "TransferFailed",
  {
    direction: Schema.Literal("in", "out"),
    path: Schema.String,
    exitCode: Schema.Number,
    /** The last of what it said, on one line. */
    words: Schema.String
  }
) {
  override get message(): string {
    const what = this.direction === "in" ? "copied into the guest" : "copied out of the guest"
    return `${this.path} could not be ${what}: ${this.words === "" ? `tar ended with ${this.exitCode}` : this.words}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.direction === "in"
      ? "Check that the guest's user may write there, and that its disk is not full."
      : "Check that the guest's user may read all of it. Nothing was written here."
  }
}

/**
 * How a copy fails, apart from what the endpoint itself fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export type TransferError = ArchiveError | GuestPathRefused | GuestLacksTar | TransferFailed

/**
 * What is copied.
 *
 * - `host`: an absolute path of this machine. As a source it is followed where it is a symbolic link; links below it are not
 * - `guest`: a path of the guest, from the endpoint's `workdir` where it is relative
 * - a destination that is a directory takes the source by its name; what ends in a slash must be one; a source that ends in
 *   `/.` is what is in that directory
 * - `onProgress`: called as it goes on
 * - `onPartial`: called when the copy fails or is interrupted and something may be left half-way in the guest, with its path
 *
 * @since 0.1.0
 * @category models
 */
export interface CopyOptions {
  readonly host: string
  readonly guest: string
  readonly limits?: Archive.Limits | undefined
  readonly onProgress?: ((counts: Archive.Counts) => void) | undefined
  readonly onPartial?: ((guestPath: string) => Effect.Effect<void>) | undefined
}

/**
 * What was copied, and where it is now.
 *
 * - `leftOut`: symbolic links that would have led out of the copy
 * - `words`: what the guest's tar had to say though it went well, on one line; empty where nothing
 *
 * @since 0.1.0
 * @category models
 */
export interface Copied {
  readonly kind: "file" | "directory"
  readonly host: string
  readonly guest: string
  readonly counts: Archive.Counts
  readonly leftOut: ReadonlyArray<Archive.LeftOut>
  readonly words: string
}

const shown = (path: string): string => Names.shown(Names.fromText(path))

/** A path as it was written, and what its writing says. */
interface Written {
  readonly path: string
  /** The name that it has in a directory. */
  readonly base: string
  readonly mustBeDirectory: boolean
  readonly isContent: boolean
}

const written = (path: string): Written => ({
  path,
  base: Path.posix.basename(path),
  mustBeDirectory: /(^|\/)\.{0,2}$/.test(path),
  isContent: /(^|\/)\.$/.test(path) || /^\/+$/.test(path)
})

const writtenInGuest = (
  { workdir }: Pick<Endpoint<never>, "workdir">,
  guest: string
): Either.Either<Written, GuestPathRefused> => {
  const refuse = (reason: string) =>
    Either.left(new GuestPathRefused({ path: shown(guest), reason, advice: "Name a file or directory of the guest." }))
  if (guest === "") return refuse("is no path")
  if (guest.includes("\0")) return refuse("has a NUL in it")
  const given = written(guest)
  const path = Path.posix.resolve("/", workdir, guest)
  return Either.right({ ...given, path, base: Path.posix.basename(path) })
}

const nowhere = {
  missing: ["there is no such file or directory", "Check the path."],
  loop: ["it leads through too many symbolic links", "Name what they lead to."],
  escape: [
    "a symbolic link in a directory that the guest can write to leads out of that directory",
    "Look at the link first; name what it leads to if that is what you want."
  ]
} as const

const resolveHost = (
  host: string,
  { guestWritable }: Pick<Endpoint<never>, "guestWritable">,
  refuse: (reason: string, advice: string) => ArchiveError
): Effect.Effect<HostPath.HostPath, ArchiveError> =>
  Path.isAbsolute(host)
    ? Effect.flatMap(
        attempt(shown(host), () => HostPath.resolve(host, guestWritable)),
        (found) => {
          if (typeof found !== "string") return Effect.succeed(found)
          const [reason, advice] = nowhere[found]
          return Effect.fail(refuse(reason, advice))
        }
      )
    : Effect.fail(refuse("it is not absolute", "Name it from /."))

// The guest's own words steer nothing: what its variables could change of tar is set here.
const ENV = [
  ["LC_ALL", "C"],
  ["TAR_OPTIONS", ""]
] as const

const command = (words: ReadonlyArray<string>): GuestCommand => ({ command: words, env: ENV, workdir: "/" })

const Kind = Schema.Literal("directory", "file", "other", "missing")

type Kind = typeof Kind.Type

const PROBE = `if command -v tar >/dev/null 2>&1; then echo tar; else echo none; fi
for path; do
  if [ -d "$path" ]; then echo directory
  elif [ -f "$path" ]; then echo file
  elif [ -e "$path" ] || [ -L "$path" ]; then echo other
  else echo missing; fi
done`

/** What the guest says is there; nothing where it has no shell to ask. */
interface Probed {
  readonly hasTar: boolean
  readonly kinds: ReadonlyArray<Kind>
}

const isKind = Schema.is(Kind)

const PROBE_TIMEOUT_MILLIS = 30_000

const probe = <E>(endpoint: Endpoint<E>, paths: ReadonlyArray<string>): Effect.Effect<Option.Option<Probed>, E> =>
  Effect.map(
    endpoint.exec({ ...command(["sh", "-c", PROBE, "sh", ...paths]), timeoutMillis: PROBE_TIMEOUT_MILLIS }),
    ({ exit, stdout }) => {
      const [tar, ...lines] = new TextDecoder().decode(stdout.subarray(0, 256)).trimEnd().split("\n")
      const kinds = lines.filter(isKind)
      return exit.exitCode === 0 && (tar === "tar" || tar === "none") && kinds.length === paths.length
        ? Option.some({ hasTar: tar === "tar", kinds })
        : Option.none()
    }
  )

const WORDS_BYTES_MAX = 64 * 1024

/** What a program of the guest's says on standard error, as much as is worth keeping. */
const makeWords = () => {
  let bytes: Uint8Array = new Uint8Array(0)
  return {
    add: (more: Uint8Array) => {
      const room = WORDS_BYTES_MAX - bytes.length
      if (room > 0) bytes = Buffer.concat([bytes, more.subarray(0, room)])
    },
    isWhole: () => bytes.length < WORDS_BYTES_MAX,
    lines: () => new TextDecoder().decode(bytes).trimEnd().split("\n"),
    shown: () => tail(bytes)
  }
}

const SHOWN_CHARS_MAX = 300

/** The end of it on one line of visible ASCII. */
const tail = (bytes: Uint8Array): string =>
  new TextDecoder()
    .decode(bytes)
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(-SHOWN_CHARS_MAX)

type Words = ReturnType<typeof makeWords>

// GNU tar ends with 1 where that is all there is to say: what it wrote is a whole archive all the same. Other tars end
// with 1 for anything, hence the words.
const HARMLESS = /: (file changed as we read it|File removed before we read it|socket ignored)$/

const isHarmless = (exitCode: number, words: Words): boolean =>
  exitCode === 0 || (exitCode === 1 && words.isWhole() && words.lines().every((line) => HARMLESS.test(line)))

/** The output of tar in the guest; the end of it fails where tar did. */
const archiveOf = <E>(
  endpoint: Endpoint<E>,
  tar: ReadonlyArray<string>,
  path: string,
  words: Words
): Stream.Stream<Uint8Array, TransferFailed | E> =>
  Stream.filterMapEffect(
    endpoint.stream(command(tar)),
    (event): Option.Option<Effect.Effect<Uint8Array, TransferFailed>> => {
      if (event._tag === "Stdout") return Option.some(Effect.succeed(event.bytes))
      if (event._tag === "Stderr") {
        words.add(event.bytes)
        return Option.none()
      }
      const { exitCode } = event.exit
      if (isHarmless(exitCode, words)) return Option.none()
      return Option.some(
        Effect.fail(new TransferFailed({ direction: "out", path: shown(path), exitCode, words: words.shown() }))
      )
    }
  )

/** A place of our own for one file. */
const aside = ({ directory }: Pick<Endpoint<never>, "directory">): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Path.join(directory, `cp-${randomBytes(6).toString("hex")}`)),
    (path) => Effect.sync(() => Fs.rmSync(path, { force: true }))
  )

/** One file without tar: the runtime writes it aside, since it would follow whatever the guest puts in its way. */
const fileOut = <E>(
  endpoint: Endpoint<E>,
  guest: string,
  extract: (archive: Stream.Stream<Uint8Array, ArchiveError>) => Effect.Effect<Archive.Extracted, ArchiveError>,
  limits: Archive.Limits | undefined
): Effect.Effect<Archive.Extracted, ArchiveError | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const path = yield* aside(endpoint)
      yield* endpoint.cpOut({ guest, host: path })
      // What the guest had made a link must not become a file of this machine.
      const above = yield* attempt(path, () => Fs.realpathSync(Path.dirname(path)))
      return yield* extract(Archive.create({ path: Path.join(above, Path.basename(path)), name: "file", limits }))
    })
  )

const tarOut = (guest: Written, kind: "file" | "directory"): ReadonlyArray<string> =>
  kind === "directory"
    ? ["tar", "-cf", "-", "-C", guest.path, "."]
    : // A file that is reached by a link is copied, not the link.
      ["tar", "-chf", "-", "-C", Path.posix.dirname(guest.path), `./${guest.base}`]

/**
 * Copies a file or a directory out of a endpoint. What comes is hostile (`Archive.extract`); it is all there afterwards, or
 * nothing of it. A destination that is a link is replaced by a file, and followed to a directory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const copyOut = <E>(
  endpoint: Endpoint<E>,
  { guest, host, limits, onProgress }: CopyOptions
): Effect.Effect<Copied, TransferError | E> =>
  Effect.gen(function* () {
    const from = yield* writtenInGuest(endpoint, guest)
    const refuse = (reason: string, advice: string) => new DestinationRefused({ path: shown(host), reason, advice })
    const there = yield* resolveHost(host, endpoint, refuse)
    const isDirectory = there.stat?.isDirectory() === true
    if (written(host).mustBeDirectory && !isDirectory) {
      return yield* refuse("there is no such directory", "Make it first, or leave out the slash at the end.")
    }
    const probed = Option.getOrUndefined(yield* probe(endpoint, [from.path]))
    // Without a shell nobody knows; the runtime copies files, and says so where it is none.
    const kind = yield* guestSource(from, probed?.kinds[0] ?? "file")
    if (kind === "directory" && probed?.hasTar !== true) return yield* new GuestLacksTar({ path: shown(from.path) })
    const isInto = isDirectory && !(kind === "directory" && (from.isContent || from.base === ""))
    // By its own name where it is no directory: a link there is replaced, and not what it leads to.
    const above = isDirectory ? there : yield* resolveHost(Path.dirname(host), endpoint, refuse)
    const path = isInto
      ? Path.join(there.path, from.base)
      : isDirectory
        ? there.path
        : Path.join(above.path, Path.basename(host))
    const extract = Archive.extract({ path, kind, limits, onProgress })
    const words = makeWords()
    const extracted =
      probed?.hasTar === true
        ? yield* extract(archiveOf(endpoint, tarOut(from, kind), from.path, words))
        : yield* fileOut(endpoint, from.path, extract, limits)
    return { kind, host: path, guest: from.path, ...extracted, words: words.shown() }
  })

const guestSource = (from: Written, kind: Kind): Either.Either<"file" | "directory", GuestPathRefused> => {
  const refuse = (reason: string, advice: string) =>
    Either.left(new GuestPathRefused({ path: shown(from.path), reason, advice }))
  if (kind === "missing") {
    return refuse("does not exist", "Check the path; a relative one begins in the working directory.")
  }
  if (kind === "other") return refuse("is no file and no directory", "Only files and directories are copied.")
  if (kind === "file" && from.mustBeDirectory) return refuse("is no directory", "Leave out the slash at the end.")
  return Either.right(kind)
}

/** Where a copy goes in the guest. */
interface Target {
  readonly parent: string
  readonly name: string
  /** Whether a directory is there, whose files are replaced one by one. */
  readonly isMerge: boolean
}

const chooseTarget = (
  to: Written,
  source: { readonly kind: "file" | "directory"; readonly base: string; readonly isContent: boolean },
  [there, within]: ReadonlyArray<Kind>
): Either.Either<Target, GuestPathRefused> => {
  const refuse = (path: string, reason: string, advice: string) =>
    Either.left(new GuestPathRefused({ path: shown(path), reason, advice }))
  const own = { parent: Path.posix.dirname(to.path), name: to.base }
  if (there === "directory") {
    if (source.isContent) return Either.right({ ...own, isMerge: true })
    const path = Path.posix.join(to.path, source.base)
    if (source.kind === "file" && within === "directory") {
      return refuse(path, "is a directory", "Name the file in it that this becomes.")
    }
    if (within === "other" || (source.kind === "directory" && within === "file")) {
      return refuse(path, "is there, and no directory", "Remove it, or name another place.")
    }
    return Either.right({ parent: to.path, name: source.base, isMerge: within === "directory" })
  }
  if (there === "other") return refuse(to.path, "is no file and no directory", "Name another place.")
  if (there === "file" && (source.kind === "directory" || to.mustBeDirectory)) {
    return refuse(to.path, "is no directory", "Remove it, or name another place.")
  }
  if (there === "missing" && source.kind === "file" && to.mustBeDirectory) {
    return refuse(to.path, "is no directory", "Make it first, or leave out the slash at the end.")
  }
  return Either.right({ ...own, isMerge: false })
}

// Beside its place, then moved there; a directory that is not writable could not be moved.
const UNPACK = `mkdir -p -- "$1" && mkdir -- "$1/$2" && tar -xopf "$5" -C "$1/$2" &&
  chmod u+rwx "$1/$2/$3" && mv -f -- "$1/$2/$3" "$1/$3" && chmod "$4" "$1/$3"
code=$?
rm -rf -- "$1/$2" 2>/dev/null
exit "$code"`

const CLEAN = `[ ! -e "$1" ] || { chmod -R u+rwx "$1"; rm -rf -- "$1"; } 2>/dev/null`

const CLEAN_MILLIS = 15_000

/** Takes away what an unpacking has left in the guest; false where that is not certain. */
const clean = <E>(endpoint: Endpoint<E>, path: string): Effect.Effect<boolean> =>
  endpoint.exec({ ...command(["sh", "-c", CLEAN, "sh", path]), timeoutMillis: CLEAN_MILLIS }).pipe(
    Effect.map(({ exit }) => exit.exitCode === 0),
    Release.within(2 * CLEAN_MILLIS),
    Effect.map(Option.getOrElse(() => false)),
    Effect.catchAllCause(() => Effect.succeed(false))
  )

/** Runs a command of the guest's on an archive, and fails where it does or where the archive cannot be made. */
const feed = <E>(
  endpoint: Endpoint<E>,
  words: ReadonlyArray<string>,
  archive: Stream.Stream<Uint8Array, ArchiveError> | undefined,
  path: string
): Effect.Effect<string, ArchiveError | TransferFailed | E> =>
  Effect.gen(function* () {
    const broken = yield* Deferred.make<never, ArchiveError>()
    const said = makeWords()
    let exitCode = -1
    const run = Stream.runForEach(
      endpoint.stream({
        ...command(words),
        // An archive that breaks off must not look like one that ended: the command is ended, and its input is not.
        stdin:
          archive === undefined
            ? undefined
            : Stream.catchAllCause(archive, (cause) =>
                Stream.fromEffect(Effect.zipRight(Deferred.failCause(broken, cause), Effect.never))
              )
      }),
      (event) =>
        Effect.sync(() => {
          if (event._tag === "Stderr") said.add(event.bytes)
          if (event._tag === "Exit") exitCode = event.exit.exitCode
        })
    )
    yield* Effect.raceFirst(run, Deferred.await(broken))
    if (exitCode === 0) return said.shown()
    return yield* new TransferFailed({ direction: "in", path: shown(path), exitCode, words: said.shown() })
  })

/**
 * As `feed`, for a runtime whose clients cannot take a large input: the archive goes as a file, by the runtime's own copy.
 * Before 1.7.3 commands see what that writes in `/workspace` only.
 */
const feedByFile = <E>(
  endpoint: Endpoint<E>,
  words: (archive: string) => ReadonlyArray<string>,
  archive: Stream.Stream<Uint8Array, ArchiveError>,
  path: string
): Effect.Effect<string, ArchiveError | TransferFailed | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const host = yield* aside(endpoint)
      const descriptor = yield* Effect.acquireRelease(
        attempt(host, () => Fs.openSync(host, "wx", 0o600)),
        (opened) => Effect.sync(() => Fs.closeSync(opened))
      )
      yield* Stream.runForEach(archive, (bytes) =>
        attempt(host, () => {
          for (let at = 0; at < bytes.length;) at += Fs.writeSync(descriptor, bytes, at)
        })
      )
      const { cpReachesWorkload } = endpoint.capabilities
      const guest = `${cpReachesWorkload ? "/tmp" : "/workspace"}/.bottle-${randomBytes(6).toString("hex")}.tar`
      yield* Effect.addFinalizer(() => clean(endpoint, guest))
      yield* endpoint.cpIn({ host, guest })
      return yield* feed(endpoint, words(guest), undefined, path)
    })
  )

/** One file without tar; it is read first, so that what the runtime sends is what was looked at. */
const fileIn = <E>(
  endpoint: Endpoint<E>,
  source: string,
  guest: string,
  options: Pick<CopyOptions, "limits" | "onProgress">
): Effect.Effect<Archive.Counts, ArchiveError | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const path = yield* aside(endpoint)
      const above = yield* attempt(path, () => Fs.realpathSync(Path.dirname(path)))
      const { counts } = yield* Archive.create({ path: source, name: "file", ...options }).pipe(
        Archive.extract({ path: Path.join(above, Path.basename(path)), kind: "file" })
      )
      yield* endpoint.cpIn({ host: path, guest })
      return counts
    })
  )

const sourceKind = (host: string, { stat }: HostPath.HostPath): Effect.Effect<"file" | "directory", SourceRefused> => {
  const refuse = (reason: string, advice: string) => new SourceRefused({ path: shown(host), reason, advice })
  if (stat === undefined) return refuse(...nowhere.missing)
  if (stat.isDirectory()) return Effect.succeed("directory")
  if (!stat.isFile()) return refuse("it is no file and no directory", "Only files and directories are copied.")
  return written(host).mustBeDirectory
    ? refuse("it is no directory", "Leave out the slash at the end.")
    : Effect.succeed("file")
}

/**
 * Copies a file or a directory into a machine, to the guest's user. The directory that it goes to is made where it is not
 * there. A file, and a directory where none is, are all there afterwards or not at all; a directory that is there is
 * written to file by file, and what it has besides stays.
 *
 * @since 0.1.0
 * @category constructors
 */
export const copyIn = <E>(
  endpoint: Endpoint<E>,
  { guest, host, limits, onPartial = () => Effect.void, onProgress }: CopyOptions
): Effect.Effect<Copied, TransferError | E> =>
  Effect.gen(function* () {
    const to = yield* writtenInGuest(endpoint, guest)
    const refuse = (reason: string, advice: string) => new SourceRefused({ path: shown(host), reason, advice })
    const from = yield* resolveHost(host, endpoint, refuse)
    const kind = yield* sourceKind(host, from)
    const given = written(host)
    const base = /^\.{0,2}$/.test(given.base) ? Path.basename(from.path) : given.base
    const isContent = kind === "directory" && (given.isContent || base === "")
    const probed = Option.getOrUndefined(
      yield* probe(endpoint, [to.path, isContent ? to.path : Path.posix.join(to.path, base)])
    )
    if (kind === "directory" && probed?.hasTar !== true) return yield* new GuestLacksTar({ path: shown(host) })
    const kinds = probed?.kinds ?? [to.mustBeDirectory ? "directory" : "missing", "missing"]
    const target = yield* chooseTarget(to, { kind, base, isContent }, kinds)
    const path = Path.posix.join(target.parent, target.name)
    const copied = { kind, host: from.path, guest: path, leftOut: [], words: "" }
    if (probed?.hasTar !== true) {
      return { ...copied, counts: yield* fileIn(endpoint, from.path, path, { limits, onProgress }) }
    }
    let counts: Archive.Counts = { files: 0, directories: 0, links: 0, bytes: 0 }
    const archive = Archive.create({
      path: from.path,
      name: target.isMerge ? "." : target.name,
      withRoot: !target.isMerge,
      limits,
      onProgress: (now) => {
        counts = { ...now }
        onProgress?.(counts)
      }
    })
    const part = `.bottle-${randomBytes(6).toString("hex")}`
    const mode = ((from.stat?.mode ?? 0) & 0o777).toString(8)
    const words = (file: string): ReadonlyArray<string> =>
      target.isMerge
        ? ["tar", "-xopf", file, "-C", path]
        : ["sh", "-c", UNPACK, "sh", target.parent, part, target.name, mode, file]
    const { stdinLargeSafe } = endpoint.capabilities
    const said = yield* Effect.onExit(
      stdinLargeSafe ? feed(endpoint, words("-"), archive, path) : feedByFile(endpoint, words, archive, path),
      (exit) => {
        if (exit._tag === "Success") return Effect.void
        if (target.isMerge) return onPartial(path)
        const left = Path.posix.join(target.parent, part)
        return Effect.flatMap(clean(endpoint, left), (isGone) => (isGone ? Effect.void : onPartial(left)))
      }
    )
    return { ...copied, counts, words: said }
  })
