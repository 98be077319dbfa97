/**
 * The state of a bundle, left by its init for whoever asks how it is.
 *
 * It needs nothing but node, so that asking costs no more than starting node.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/**
 * The name of the file in the directory of what runs.
 *
 * @since 0.1.0
 * @category models
 */
export const FILE = "bottle-health"

/**
 * The one text that means that every chosen daemon is up and has said that it listens.
 *
 * @since 0.1.0
 * @category models
 */
export const HEALTHY = "healthy"

const maxBytes = 1024

/**
 * Writes the state in one step, so that a reader sees the old one or the new one. What it returns is the system's name
 * for why it could not be written.
 *
 * @since 0.1.0
 * @category constructors
 */
export const write = (directory: string, state: string): string | undefined => {
  const file = Path.join(directory, FILE)
  try {
    Fs.writeFileSync(`${file}.new`, `${state}\n`, { mode: 0o644 })
    Fs.renameSync(`${file}.new`, file)
    return undefined
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN"
  }
}

/**
 * The state as it was last written; one that cannot be read is not healthy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (directory: string): string => {
  let descriptor: number
  try {
    descriptor = Fs.openSync(Path.join(directory, FILE), Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK)
  } catch {
    return "unhealthy: no init has left its state here"
  }
  try {
    const bytes = Buffer.alloc(maxBytes)
    return bytes.toString("latin1", 0, Fs.readSync(descriptor, bytes, 0, maxBytes, 0)).trimEnd()
  } catch {
    return "unhealthy: the state cannot be read"
  } finally {
    Fs.closeSync(descriptor)
  }
}
