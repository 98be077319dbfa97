import * as Fs from "node:fs"
import * as Path from "node:path"

/** The files of the host that a smolvm reads and writes, by absolute path. */
export interface Host {
  readonly kind: (path: string) => "file" | "directory" | undefined
  /** The bytes of a regular file. */
  readonly read: (path: string) => Uint8Array | undefined
  /** Writes a file, and the directories above it; `undefined`, or why it cannot be. */
  readonly write: (path: string, bytes: Uint8Array) => string | undefined
}

/**
 * Files in a map. A path that ends in `/` is a directory; so is every path that another begins with.
 */
export const inMemory = (files: Map<string, Uint8Array>): Host => ({
  kind: (path) =>
    files.has(path)
      ? "file"
      : path === "/" || [...files.keys()].some((file) => file.startsWith(`${path}/`))
        ? "directory"
        : undefined,
  read: (path) => files.get(path),
  write: (path, bytes) => {
    files.set(path, bytes)
    return undefined
  }
})

/** The files of this computer. */
export const real: Host = {
  kind: (path) => {
    const found = Fs.statSync(path, { throwIfNoEntry: false })
    return found?.isDirectory() === true ? "directory" : found?.isFile() === true ? "file" : undefined
  },
  read: (path) => (Fs.statSync(path, { throwIfNoEntry: false })?.isFile() === true ? Fs.readFileSync(path) : undefined),
  write: (path, bytes) => {
    try {
      Fs.mkdirSync(Path.dirname(path), { recursive: true })
      Fs.writeFileSync(path, bytes)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}
