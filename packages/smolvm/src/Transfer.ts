/**
 * Files and directories into a machine and out of it, as `cp` and `scp -r` do: by tar in the guest, or, where there is none,
 * file by file by the runtime's own copy.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Archive from "./Archive.js"
import { type ArchiveError, DestinationRefused, SourceRefused } from "./ArchiveError.js"
import type { Capabilities } from "./Capabilities.js"
import { attempt } from "./internal/archive/run.js"
import { clean, probe } from "./internal/transfer/guest.js"
import { resolveHost, shown, written, writtenInGuest } from "./internal/transfer/paths.js"
import { chooseTarget, guestSource, sourceKind } from "./internal/transfer/sides.js"
import * as Single from "./internal/transfer/single.js"
import * as Tar from "./internal/transfer/tar.js"
import * as Words from "./internal/transfer/words.js"
import * as Exec from "./Exec.js"
import type { ExecError } from "./GuestCommand.js"
import * as MachineCp from "./MachineCp.js"
import { Smolvm } from "./Smolvm.js"
import type { SmolvmError } from "./SmolvmError.js"
import { GuestLacksTar, GuestPathRefused, type TransferError } from "./TransferError.js"

/**
 * A command that a copy runs in the guest.
 *
 * - `env`: added to the machine's own
 * - `timeoutMillis`: after it the command is killed; without it there is no limit
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointCommand {
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
export interface EndpointExit {
  readonly exitCode: number
}

/**
 * What a command in the guest says: its output as it comes, and exactly one `Exit` at the end.
 *
 * @since 0.1.0
 * @category models
 */
export type EndpointOutput =
  | { readonly _tag: "Stdout"; readonly bytes: Uint8Array }
  | { readonly _tag: "Stderr"; readonly bytes: Uint8Array }
  | { readonly _tag: "Exit"; readonly exit: EndpointExit }

/**
 * A machine as a copy sees it.
 *
 * - `workdir`: of the guest, absolute: where its relative paths begin
 * - `directory`: of this machine, absolute: where files stand for as long as a copy takes, closed to others
 * - `guestWritable`: directories of this machine that the guest can write to
 * - `capabilities`: what the runtime can do
 * - `isBare`: whether commands run in the machine itself, and not in the container of an image
 * - `exec`: runs a command without input; `stream`: the same with its output as it comes, and an input, each byte for byte.
 *   One that is interrupted must leave nothing of it in the guest
 * - `cpIn`, `cpOut`: the runtime's own copy of one file, by absolute paths. `mode` is only given where the runtime has an
 *   option for it
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint<E> {
  readonly workdir: string
  readonly directory: string
  readonly guestWritable: ReadonlyArray<string>
  readonly capabilities: Capabilities
  readonly isBare: boolean
  readonly exec: (
    command: EndpointCommand
  ) => Effect.Effect<{ readonly exit: EndpointExit; readonly stdout: Uint8Array }, E>
  readonly stream: (
    command: EndpointCommand & { readonly stdin?: Stream.Stream<Uint8Array> | undefined }
  ) => Stream.Stream<EndpointOutput, E>
  readonly cpIn: (options: {
    readonly host: string
    readonly guest: string
    readonly mode?: number | undefined
  }) => Effect.Effect<void, E>
  readonly cpOut: (options: { readonly guest: string; readonly host: string }) => Effect.Effect<void, E>
}

/**
 * How `endpoint` sees a machine.
 *
 * - `name`: of the machine, which must run
 * - `workdir`: of the guest, absolute, where relative paths begin; `/` by default
 * - `isBare`: whether the machine was made without an image; false by default, which is right for every machine: before
 *   1.7.3 a single file may then take a longer way
 * - `guestWritable`: directories of this machine that the guest has mounted and can write to; none by default. No link in
 *   them is followed out of them
 * - `directory`: of this machine, absolute, closed to others, where files stand for as long as a copy takes; by default a
 *   new one below the system's directory for temporary files, which is removed with the scope
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointOptions {
  readonly name: string
  readonly workdir?: string | undefined
  readonly isBare?: boolean | undefined
  readonly guestWritable?: ReadonlyArray<string> | undefined
  readonly directory?: string | undefined
}

const temporary: Effect.Effect<string, ArchiveError, Scope.Scope> = Effect.acquireRelease(
  Effect.suspend(() => {
    const above = Os.tmpdir()
    return attempt(above, () => Fs.mkdtempSync(Path.join(Fs.realpathSync(above), "bottle-cp-")))
  }),
  (path) => Effect.ignore(Effect.try(() => Fs.rmSync(path, { recursive: true, force: true })))
)

/**
 * A machine of smolvm's as a copy sees it: its commands are run by `Exec`. Its capabilities are read once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const endpoint = ({
  directory,
  guestWritable = [],
  isBare = false,
  name,
  workdir = "/"
}: EndpointOptions): Effect.Effect<Endpoint<ExecError>, SmolvmError | ArchiveError, Smolvm | Scope.Scope> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const { run, stream } = yield* Exec.make({ name, source: isBare ? "bare" : "image" })
    const inMachine = (path: string) => MachineCp.inMachine({ name, path })
    return {
      workdir,
      directory: directory ?? (yield* temporary),
      guestWritable,
      capabilities: yield* smolvm.capabilities,
      isBare,
      exec: run,
      stream,
      cpIn: ({ guest, host, mode }) => smolvm.machineCp({ src: host, dst: inMachine(guest), mode }),
      cpOut: ({ guest, host }) => smolvm.machineCp({ src: inMachine(guest), dst: host })
    }
  })

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

/**
 * Copies a file or a directory out of a machine. What comes is hostile (`Archive.extract`); it is all there afterwards, or
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
    const words = Words.make()
    const extracted =
      probed?.hasTar === true
        ? yield* extract(Tar.outputOf(endpoint, Tar.packing(from, kind), from.path, words))
        : yield* Single.fetch(endpoint, { guest: from.path, limits, extract })
    return { kind, host: path, guest: from.path, ...extracted, words: words.shown() }
  })

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
      return { ...copied, counts: yield* Single.send(endpoint, { source: from.path, guest: path, limits, onProgress }) }
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
    const mode = (from.stat?.mode ?? 0) & 0o777
    const program = (file: string): ReadonlyArray<string> =>
      target.isMerge ? Tar.merging(path, file) : Tar.unpacking({ ...target, part, mode }, file)
    const said = yield* Effect.onExit(
      endpoint.capabilities.stdinLargeSafe
        ? Tar.feed(endpoint, program("-"), archive, path)
        : Tar.feedByFile(endpoint, program, archive, path),
      (exit) => {
        if (exit._tag === "Success") return Effect.void
        if (target.isMerge) return onPartial(path)
        const left = Path.posix.join(target.parent, part)
        return Effect.flatMap(clean(endpoint, left), (isGone) => (isGone ? Effect.void : onPartial(left)))
      }
    )
    return { ...copied, counts, words: said }
  })

/**
 * How a copy goes on: what has been copied up to now, as often as somebody takes it, and at the end what it has become.
 *
 * @since 0.1.0
 * @category models
 */
export type CopyEvent =
  | { readonly _tag: "Progress"; readonly counts: Archive.Counts }
  | { readonly _tag: "Copied"; readonly copied: Copied }

/** Only the newest of what nobody has taken yet is kept. */
const eventsOf = <E>(
  copy: (onProgress: (counts: Archive.Counts) => void) => Effect.Effect<Copied, E>
): Stream.Stream<CopyEvent, E> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const events = yield* Mailbox.make<CopyEvent, E>({ capacity: 1, strategy: "sliding" })
      yield* copy((counts) => void events.unsafeOffer({ _tag: "Progress", counts: { ...counts } })).pipe(
        Effect.flatMap((copied) => events.offer({ _tag: "Copied", copied })),
        Mailbox.into(events),
        Effect.forkScoped
      )
      return Mailbox.toStream(events)
    })
  )

/**
 * As `copyOut`, telling how it goes on: `Progress` events, and `Copied` as the last. `onProgress` is called besides. The
 * copy begins when the stream is run, waits for nobody who reads it, and is interrupted where the stream is left.
 *
 * @since 0.1.0
 * @category streams
 */
export const copyOutStream = <E>(
  endpoint: Endpoint<E>,
  options: CopyOptions
): Stream.Stream<CopyEvent, TransferError | E> =>
  eventsOf((onProgress) => copyOut(endpoint, { ...options, onProgress: both(onProgress, options.onProgress) }))

/**
 * As `copyIn`, telling how it goes on: `Progress` events, and `Copied` as the last. `onProgress` is called besides. The
 * copy begins when the stream is run, waits for nobody who reads it, and is interrupted where the stream is left.
 *
 * @since 0.1.0
 * @category streams
 */
export const copyInStream = <E>(
  endpoint: Endpoint<E>,
  options: CopyOptions
): Stream.Stream<CopyEvent, TransferError | E> =>
  eventsOf((onProgress) => copyIn(endpoint, { ...options, onProgress: both(onProgress, options.onProgress) }))

const both =
  (first: (counts: Archive.Counts) => void, second: CopyOptions["onProgress"]) =>
  (counts: Archive.Counts): void => {
    first(counts)
    second?.(counts)
  }

/**
 * One file that is copied by the runtime's own copy.
 *
 * - `host`: of this machine, absolute; a source is followed where it is a symbolic link
 * - `guest`: of the guest, from the endpoint's `workdir` where it is relative
 * - both name the file itself: a directory is not completed with its name
 * - `mode`: the nine bits of permission that it gets; without it, those that the runtime gives it
 *
 * @since 0.1.0
 * @category models
 */
export interface FileOptions {
  readonly host: string
  readonly guest: string
  readonly mode?: number | undefined
  readonly limits?: Archive.Limits | undefined
  readonly onProgress?: ((counts: Archive.Counts) => void) | undefined
}

const isMode = (mode: number | undefined): boolean =>
  mode === undefined || (Number.isInteger(mode) && mode >= 0 && mode <= 0o777)

const NO_MODE = ["its mode is not nine bits of permission", "Give a number from 0 to 0o777."] as const

/**
 * Copies one file into a machine by smolvm's own `machine cp`, which needs no program in the guest, makes the directories
 * above it, and takes 4 GiB at most by default. What becomes of its mode depends on the release:
 *
 * - from 1.9.0, `mode` is given as `--mode`; before, the guest's `chmod` sets it once the file is there
 * - without `mode` smolvm chooses: the mode of the source is not kept
 *
 * Before 1.7.3 the commands of a machine made from an image do not see what it writes elsewhere than below `/workspace`
 * (PR #810): there the file goes to `/workspace` and the guest's shell puts it into its place; where there is no shell it
 * is a `GuestPathRefused`. In all other cases a file that breaks off may be there in part.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fileIn = <E>(
  endpoint: Endpoint<E>,
  { guest, host, limits, mode, onProgress }: FileOptions
): Effect.Effect<Copied, TransferError | E> =>
  Effect.gen(function* () {
    const to = yield* writtenInGuest(endpoint, guest)
    if (to.mustBeDirectory) {
      return yield* new GuestPathRefused({
        path: shown(guest),
        reason: "names a directory",
        advice: "Name the file that it becomes."
      })
    }
    const refuse = (reason: string, advice: string) => new SourceRefused({ path: shown(host), reason, advice })
    if (!isMode(mode)) return yield* refuse(...NO_MODE)
    const from = yield* resolveHost(host, endpoint, refuse)
    if ((yield* sourceKind(host, from)) === "directory") {
      return yield* refuse("it is a directory", "Copy it by copyIn.")
    }
    const counts = yield* Single.send(endpoint, { source: from.path, guest: to.path, mode, limits, onProgress })
    return { kind: "file", host: from.path, guest: to.path, counts, leftOut: [], words: "" }
  })

/**
 * Copies one file out of a machine by smolvm's own `machine cp`, and puts it into its place by a rename. Its mode is
 * `mode`, else what smolvm has written it with, both less what the umask keeps from others.
 *
 * Before 1.7.3 `machine cp` reads beneath what the commands of an image machine see, except below `/workspace`: there it
 * is the output of the guest's `cat`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fileOut = <E>(
  endpoint: Endpoint<E>,
  { guest, host, limits, mode, onProgress }: FileOptions
): Effect.Effect<Copied, TransferError | E> =>
  Effect.gen(function* () {
    const from = yield* writtenInGuest(endpoint, guest)
    yield* guestSource(from, "file")
    const refuse = (reason: string, advice: string) => new DestinationRefused({ path: shown(host), reason, advice })
    if (!isMode(mode)) return yield* refuse(...NO_MODE)
    if (written(host).mustBeDirectory) return yield* refuse("it names a directory", "Name the file that it becomes.")
    const above = yield* resolveHost(Path.dirname(host), endpoint, refuse)
    const path = Path.join(above.path, Path.basename(host))
    const extract = Archive.extract({ path, kind: "file", limits, onProgress })
    const extracted = yield* Single.fetch(endpoint, { guest: from.path, mode, limits, extract })
    return { kind: "file", host: path, guest: from.path, ...extracted, words: "" }
  })
