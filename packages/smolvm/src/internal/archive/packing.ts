/*
 * Makes a tar archive of a file or directory of the host's, as it is asked for. Links are members, not followed; what is
 * neither file, directory nor link is refused by name. A directory is walked by descriptors (`handle.ts`): a guest that
 * has it mounted cannot make a link of what was a directory and so have other files of ours sent in.
 */

import * as Fs from "node:fs"
import { ArchiveTooLarge, SourceRefused } from "../../ArchiveError.js"
import * as Handle from "./handle.js"
import * as Header from "./header.js"
import * as Names from "./names.js"
import type { Limits } from "./reader.js"

/** What is handed on at a time; small files are gathered until there is so much. */
const CHUNK_BYTES = 256 * 1024

const MTIME_SECONDS_MAX = 0o77777777777

export interface Counts {
  files: number
  directories: number
  links: number
  bytes: number
}

export interface Packing {
  readonly counts: Counts
  /** The next bytes of the archive; undefined when all has been given. */
  readonly next: () => Uint8Array | undefined
  readonly close: () => void
}

export interface What {
  /** The directory that it is in. */
  readonly parent: Handle.Directory
  /** What it is called there. */
  readonly entry: string
  /** What it is called in the archive. */
  readonly name: string
  /** Its path, for errors. */
  readonly path: string
  /** Whether a directory is a member itself, and not only what is in it. */
  readonly withRoot: boolean
}

/** A directory that is being walked: what is left of it, the next one last. */
interface Frame {
  readonly handle: Handle.Directory
  readonly name: string
  readonly path: string
  readonly left: Array<string>
}

export const make = (what: What, limits: Limits): Packing => {
  const counts: Counts = { files: 0, directories: 0, links: 0, bytes: 0 }
  const frames: Array<Frame> = []
  let file: { readonly descriptor: number; readonly path: string; size: number; left: number } | undefined
  let state: "begin" | "walk" | "done" = "begin"
  let nameBytes = 0

  let chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  let filled = 0
  const full: Array<Buffer> = []

  const room = (): Buffer => {
    if (filled === chunk.length) {
      full.push(chunk)
      chunk = Buffer.allocUnsafe(CHUNK_BYTES)
      filled = 0
    }
    return chunk.subarray(filled)
  }

  const put = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) {
      const copied = bytes.copy(room(), 0, at)
      filled += copied
      at += copied
    }
  }

  const count = (name: string, target: string): void => {
    if (counts.files + counts.directories + counts.links > limits.entries) {
      throw new ArchiveTooLarge({ limit: "entries", max: limits.entries })
    }
    nameBytes += name.length + target.length
    if (nameBytes > limits.nameBytes) throw new ArchiveTooLarge({ limit: "nameBytes", max: limits.nameBytes })
    if (counts.bytes > limits.bytes) throw new ArchiveTooLarge({ limit: "bytes", max: limits.bytes })
  }

  const member = (type: "0" | "2" | "5", name: string, stat: Fs.Stats, size: number, target = ""): void => {
    if (type === "0") counts.files += 1
    else if (type === "2") counts.links += 1
    else counts.directories += 1
    counts.bytes += size
    count(name, target)
    const mtimeSeconds = Math.min(Math.max(0, Math.floor(stat.mtimeMs / 1000)), MTIME_SECONDS_MAX)
    put(Header.format({ name, mode: stat.mode & 0o777, size, mtimeSeconds, type, target }))
  }

  const refuse = (path: string, reason: string, advice: string) =>
    new SourceRefused({ path: Names.shown(path), reason, advice })

  const changed = (path: string, how: string) =>
    refuse(path, `it ${how} while it was read`, "Copy it when nothing writes to it.")

  const add = (directory: Handle.Directory, entry: string, name: string, path: string, isMember: boolean): void => {
    const stat = Handle.lookAt(directory, entry)
    if (stat === undefined) throw changed(path, "went away")
    if (stat.isSymbolicLink()) {
      const target = Fs.readlinkSync(directory.at(entry), { encoding: "buffer" }).toString("latin1")
      return member("2", name, stat, 0, target)
    }
    if (stat.isDirectory()) {
      if (frames.length >= limits.depth) throw new ArchiveTooLarge({ limit: "depth", max: limits.depth })
      const handle = Handle.openIn(directory, entry)
      frames.push({ handle, name, path, left: Handle.namesIn(handle).reverse() })
      if (isMember) member("5", `${name}/`, stat, 0)
      return
    }
    if (!stat.isFile()) {
      const kind = stat.isFIFO() ? "a FIFO" : stat.isSocket() ? "a socket" : "a device"
      throw refuse(path, `it is ${kind}`, "Only files, directories and symbolic links are copied: move it away.")
    }
    const descriptor = Handle.openFile(directory, entry)
    file = { descriptor, path, size: 0, left: 0 }
    const now = Fs.fstatSync(descriptor)
    if (!now.isFile()) throw changed(path, "was replaced")
    file.size = now.size
    file.left = now.size
    member("0", name, now, now.size)
    if (now.size === 0) endFile(file)
  }

  const endFile = (ended: NonNullable<typeof file>): void => {
    file = undefined
    Fs.closeSync(ended.descriptor)
    put(Buffer.alloc(Header.padding(ended.size)))
  }

  const readFile = (reading: NonNullable<typeof file>): void => {
    const into = room()
    const read = Fs.readSync(reading.descriptor, into, 0, Math.min(into.length, reading.left), null)
    if (read === 0) throw changed(reading.path, "became shorter")
    filled += read
    reading.left -= read
    if (reading.left === 0) endFile(reading)
  }

  const walk = (): void => {
    const frame = frames.at(-1)
    if (frame === undefined) {
      put(Header.END)
      state = "done"
      return
    }
    const entry = frame.left.pop()
    if (entry === undefined) {
      frames.pop()?.handle.close()
      return
    }
    add(frame.handle, entry, `${frame.name}/${entry}`, `${frame.path}/${entry}`, true)
  }

  /** Reads on; false when there is no more. */
  const advance = (): boolean => {
    if (state === "done") return false
    if (file !== undefined) readFile(file)
    else if (state === "walk") walk()
    else {
      state = "walk"
      add(what.parent, what.entry, what.name, what.path, what.withRoot)
    }
    return true
  }

  const next = (): Uint8Array | undefined => {
    while (full.length === 0 && advance());
    const whole = full.shift()
    if (whole !== undefined) return whole
    const last = chunk.subarray(0, filled)
    filled = 0
    chunk = Buffer.alloc(0)
    return last.length === 0 ? undefined : last
  }

  const close = (): void => {
    if (file !== undefined) Fs.closeSync(file.descriptor)
    file = undefined
    for (const { handle } of frames.splice(0).reverse()) handle.close()
  }

  return { counts, next, close }
}
