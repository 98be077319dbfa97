/**
 * What a program said it can do, kept on disk, so that the next process need not ask it again.
 *
 * An entry belongs to one program file: real path, device, inode, size, and the times of its last modification and
 * change, in nanoseconds. A file that has changed in any of these is asked anew. A script may stand before another
 * program, which can change while the script does not, and so may a file of another name that a link leads to (a version
 * manager, which runs what it is called by): of these only what the help says is kept, for the version that is told at the
 * time, and they are asked for their version always.
 *
 * Only files that this user alone can have written are believed. The cache fails no call: what cannot be read, is not
 * ours, or makes no sense is as if it were not there, and what cannot be written is not kept. Delete the directory to
 * clear it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { createHash, randomBytes } from "node:crypto"
import type { Stats } from "node:fs"
import { constants } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/**
 * What is kept of a program.
 *
 * - `versionText`: the first line that `--version` printed
 * - `asked`: the subcommands whose help was asked for; none where the version alone says everything
 * - `options`: the long options by subcommand that the help listed; a subcommand that is missing has no entry
 *
 * @since 0.1.0
 * @category models
 */
export const Entry = Schema.Struct({
  versionText: Schema.String,
  asked: Schema.Array(Schema.String),
  options: Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) })
})

/**
 * What is kept of a program.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * A program file as it was found: whatever it is, it is the same file as long as `stamp` is the same. `kind` is `binary`
 * where the file itself is what runs, `script` where it may run another one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Found {
  readonly kind: "binary" | "script"
  readonly stamp: Stamp
}

const Stamp = Schema.Struct({
  path: Schema.String,
  device: Schema.String,
  inode: Schema.String,
  size: Schema.String,
  modifiedNanos: Schema.String,
  changedNanos: Schema.String
})

/**
 * What tells one program file from another, and from itself before an update.
 *
 * @since 0.1.0
 * @category models
 */
export type Stamp = typeof Stamp.Type

/**
 * The cache of one program.
 *
 * @since 0.1.0
 * @category models
 */
export interface CapabilitiesCache {
  /** The program's file; none where there is none, or it cannot be told which one would run. */
  readonly find: Effect.Effect<Option.Option<Found>>
  /** What is kept of this very file. */
  readonly read: (found: Found) => Effect.Effect<Option.Option<Entry>>
  /** Keeps what this file said, unless the program's file is another one by now. */
  readonly write: (found: Found, entry: Entry) => Effect.Effect<void>
}

/**
 * A cache that keeps nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: CapabilitiesCache = {
  find: Effect.succeedNone,
  read: () => Effect.succeedNone,
  write: () => Effect.void
}

/**
 * The cache of a program below `directory`, an absolute path, which is made when something is kept (mode 0700). `program`
 * and `searchPath` are as for running it: a name is looked for on `searchPath` (`PATH`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly directory: string
  readonly program: string
  readonly searchPath: string | undefined
}): CapabilitiesCache => {
  const { directory, program, searchPath } = options
  if (!Path.isAbsolute(directory)) return none
  const file = ({ path }: Stamp): string => Path.join(directory, `${digest(path)}.json`)
  const find = quietly(() => findProgram(program, searchPath))
  return {
    find,
    read: ({ stamp }) =>
      Effect.map(
        quietly(() => readOwn(directory, file(stamp))),
        (text) =>
          text.pipe(
            Option.flatMap((it) => Schema.decodeOption(File)(it)),
            Option.filter((kept) => same(kept.stamp, stamp)),
            Option.map(({ entry }) => entry)
          )
      ),
    write: ({ stamp }, entry) =>
      Effect.gen(function* () {
        const now = yield* find
        if (Option.isNone(now) || !same(now.value.stamp, stamp)) return
        const text = Schema.encodeSync(File)({ format: 1, stamp, entry })
        if (text.length <= BYTES_MAX) yield* quietly(() => writeOwn(directory, file(stamp), text))
      })
  }
}

const File = Schema.parseJson(Schema.Struct({ format: Schema.Literal(1), stamp: Stamp, entry: Entry }))

/** Entries kept at most; the oldest go. Nobody has that many smolvms at a time. */
const ENTRIES_MAX = 16
/** Ten times what every option of every subcommand comes to. */
const BYTES_MAX = 131_072
/** A file system that does not answer within this is as good as none. */
const DEADLINE_MILLIS = 2_000
/** After this, no writer is at work on an unfinished file any more. */
const UNFINISHED_MILLIS = 3_600_000

/** What it gives, or nothing where it fails or takes too long. */
const quietly = <A>(evaluate: () => Promise<A | undefined>): Effect.Effect<Option.Option<A>> =>
  Effect.tryPromise(evaluate).pipe(
    Effect.timeoutOption(DEADLINE_MILLIS),
    Effect.map(Option.flatMap(Option.fromNullable)),
    Effect.orElseSucceed(() => Option.none())
  )

const digest = (path: string): string => createHash("sha256").update(path).digest("hex").slice(0, 32)

const same: (one: Stamp, other: Stamp) => boolean = Schema.equivalence(Stamp)

const findProgram = async (program: string, searchPath: string | undefined): Promise<Found | undefined> => {
  for (const candidate of candidates(program, searchPath)) {
    // The first one that can be started is the one that runs, also where nothing can be said about it.
    if (await isStartable(candidate)) return describe(await Fs.realpath(candidate), Path.basename(candidate))
  }
  return undefined
}

/** As `execvp` looks: a name with a slash is a path, any other is looked for; an empty element is where we are. */
const candidates = (program: string, searchPath: string | undefined): ReadonlyArray<string> => {
  if (program.includes("/")) return [program]
  return searchPath === undefined ? [] : searchPath.split(":").map((place) => Path.join(place, program))
}

const isStartable = async (candidate: string): Promise<boolean> => {
  try {
    await Fs.access(candidate, constants.X_OK)
    return (await Fs.stat(candidate)).isFile()
  } catch {
    return false
  }
}

/** What a file is that is started under a name: one of another name may run whatever program it is called by. */
const describe = async (path: string, name: string): Promise<Found | undefined> => {
  const handle = await Fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat({ bigint: true })
    if (!stats.isFile()) return undefined
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    const stamp = {
      path,
      device: String(stats.dev),
      inode: String(stats.ino),
      size: String(stats.size),
      modifiedNanos: String(stats.mtimeNs),
      changedNanos: String(stats.ctimeNs)
    }
    const isBinary = bytesRead === 4 && magic.has(buffer.toString("hex")) && Path.basename(path) === name
    return { kind: isBinary ? "binary" : "script", stamp }
  } finally {
    await handle.close()
  }
}

/** How programs of machine code begin: ELF, and Mach-O of either width and byte order. All else is taken for a script. */
const magic: ReadonlySet<string> = new Set(["7f454c46", "feedfacf", "cffaedfe", "feedface", "cefaedfe"])

/** Whether this user owns it, and nobody else can write to it. */
const isOwn = ({ mode, uid }: Stats): boolean => uid === process.getuid?.() && (mode & 0o022) === 0

const isOwnDirectory = async (directory: string): Promise<boolean> => {
  const stats = await Fs.lstat(directory)
  return stats.isDirectory() && isOwn(stats)
}

const readOwn = async (directory: string, path: string): Promise<string | undefined> => {
  if (!(await isOwnDirectory(directory))) return undefined
  const handle = await Fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    if (!stats.isFile() || !isOwn(stats) || stats.size > BYTES_MAX) return undefined
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(stats.size), 0, stats.size, 0)
    return bytesRead === stats.size ? buffer.toString("utf8") : undefined
  } finally {
    await handle.close()
  }
}

const writeOwn = async (directory: string, path: string, text: string): Promise<void> => {
  await Fs.mkdir(directory, { recursive: true, mode: 0o700 })
  if (!(await isOwnDirectory(directory))) return
  const unfinished = Path.join(directory, `.${Path.basename(path)}.${randomBytes(8).toString("hex")}`)
  try {
    await Fs.writeFile(unfinished, text, { flag: "wx", mode: 0o600 })
    await Fs.rename(unfinished, path)
  } catch (cause) {
    await Fs.rm(unfinished, { force: true })
    throw cause
  }
  await forget(directory)
}

/** Removes the oldest entries beyond the most that are kept, and what a writer that died has left. */
const forget = async (directory: string): Promise<void> => {
  const dated = async (name: string) => {
    const path = Path.join(directory, name)
    return { path, modifiedMillis: (await Fs.lstat(path)).mtimeMs }
  }
  const names = await Fs.readdir(directory)
  const entries = await Promise.all(names.filter((name) => /^[0-9a-f]{32}\.json$/.test(name)).map(dated))
  const unfinished = await Promise.all(
    names.filter((name) => /^\.[0-9a-f]{32}\.json\.[0-9a-f]{16}$/.test(name)).map(dated)
  )
  const old = Date.now() - UNFINISHED_MILLIS
  const gone = [
    ...entries.toSorted((one, other) => other.modifiedMillis - one.modifiedMillis).slice(ENTRIES_MAX),
    ...unfinished.filter(({ modifiedMillis }) => modifiedMillis < old)
  ]
  await Promise.all(gone.map(({ path }) => Fs.rm(path, { force: true })))
}
