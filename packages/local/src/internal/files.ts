import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { OperationFailed } from "../LocalError.js"

/** The code of a failed system call (`ENOENT`), or the text of any other failure. */
export const reasonOf = (cause: unknown): string => {
  if (typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string")
    return cause.code
  return cause instanceof Error ? cause.message : String(cause)
}

/** A synchronous step on files, its failure as a typed one. */
export const attempt = <A>(operation: string, step: () => A): Effect.Effect<A, OperationFailed> =>
  Effect.try({
    try: step,
    catch: (cause) => new OperationFailed({ family: "io", operation, reason: reasonOf(cause) })
  })

/**
 * Writes a whole file so that a reader sees the old or the new content, never a part, and with this very mode whatever
 * the umask; `durable` ones survive a crash.
 */
export const writeAtomic = (
  path: string,
  content: string | Uint8Array,
  options: { readonly mode: number; readonly durable: boolean }
): void => {
  const temporary = Path.join(Path.dirname(path), `.${Path.basename(path)}.${randomBytes(6).toString("hex")}`)
  const descriptor = Fs.openSync(temporary, "wx", options.mode)
  try {
    Fs.fchmodSync(descriptor, options.mode)
    Fs.writeFileSync(descriptor, content)
    if (options.durable) Fs.fsyncSync(descriptor)
  } finally {
    Fs.closeSync(descriptor)
  }
  Fs.renameSync(temporary, path)
}

/** The content of a file, or nothing when there is none. */
export const readIfThere = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch (cause) {
    if (reasonOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** Where a path leads, also when its last parts are not there yet. */
export const realPathOf = (path: string): string =>
  Fs.existsSync(path) || Path.dirname(path) === path
    ? Fs.realpathSync(path)
    : Path.join(realPathOf(Path.dirname(path)), Path.basename(path))

/** What a path itself is, links not followed; nothing when it is not there. */
export const lstatIfThere = (path: string): Fs.Stats | undefined => Fs.lstatSync(path, { throwIfNoEntry: false })

/**
 * Opens a file in a directory that somebody else may write: a plain file with one name that belongs to `uid`, not a
 * link to another one. Nothing when there is none.
 */
const openOwned = (path: string, uid: number): number | undefined => {
  let descriptor: number
  try {
    descriptor = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_NOFOLLOW | Fs.constants.O_NONBLOCK)
  } catch (cause) {
    if (reasonOf(cause) === "ENOENT") return undefined
    throw cause
  }
  const stat = Fs.fstatSync(descriptor)
  if (stat.isFile() && stat.uid === uid && stat.nlink === 1) return descriptor
  Fs.closeSync(descriptor)
  throw new Error(`${path} is not the plain file that it should be`)
}

/** The beginning of such a file, or nothing when there is none. */
export const readOwned = (path: string, uid: number, bytesMax: number): string | undefined => {
  const descriptor = openOwned(path, uid)
  if (descriptor === undefined) return undefined
  try {
    const buffer = Buffer.alloc(bytesMax)
    return buffer.toString("utf8", 0, Fs.readSync(descriptor, buffer, 0, bytesMax, 0))
  } finally {
    Fs.closeSync(descriptor)
  }
}

const copyChunkBytes = 1024 * 1024

/** Copies such a file to a new one, for its user alone; `false` when there is none. */
export const copyOwned = (path: string, uid: number, target: string): boolean => {
  const from = openOwned(path, uid)
  if (from === undefined) return false
  try {
    const to = Fs.openSync(target, "wx", 0o600)
    try {
      const buffer = Buffer.alloc(copyChunkBytes)
      for (;;) {
        const length = Fs.readSync(from, buffer)
        if (length === 0) return true
        for (let offset = 0; offset < length;) offset += Fs.writeSync(to, buffer, offset, length - offset)
      }
    } finally {
      Fs.closeSync(to)
    }
  } finally {
    Fs.closeSync(from)
  }
}
