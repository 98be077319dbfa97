/*
 * Reads a tar archive as it comes, and holds no more of it than one header. What it gives has been looked at: the names
 * are names of the archive's own tree, the numbers are within the limits. It throws the typed errors of `ArchiveError`.
 *
 * It is stricter than any tar: what two programs could read in two ways is refused, and so is what nobody writes who has
 * copied a directory.
 */

import { ArchiveDamaged, ArchiveRefused, ArchiveTooLarge } from "../../ArchiveError.js"
import * as Header from "./header.js"
import * as Names from "./names.js"

export interface Limits {
  /** Of all files together. */
  readonly bytes: number
  readonly entries: number
  /** Names on one path. */
  readonly depth: number
  /** Of all names and targets of links together: they are held in memory. */
  readonly nameBytes: number
}

/** One header of pax or of a long name; it is held in memory until its member comes. */
const HEADER_BYTES_MAX = 1024 * 1024

/** Zeros after an archive's end: tar fills up its last record, which is 10 KiB unless somebody has chosen otherwise. */
const TRAILING_BYTES_MAX = 1024 * 1024

const MTIME_SECONDS_MAX = 2 ** 32 - 1

export interface Member {
  readonly type: "file" | "directory" | "symlink" | "hardlink"
  readonly path: ReadonlyArray<string>
  /** Where a symbolic link leads, as it is written; empty otherwise. */
  readonly target: string
  /** The member that a hard link is another name of; empty otherwise. */
  readonly of: ReadonlyArray<string>
  readonly size: number
  /** The nine bits of permission, and no other. */
  readonly mode: number
  readonly mtimeSeconds: number
}

export interface Receiver {
  readonly begin: (member: Member) => void
  /** The bytes of a file; they are the caller's buffer, and valid during the call. */
  readonly data: (bytes: Buffer) => void
  /** A file has come to its end. */
  readonly end: () => void
}

export interface Reader {
  readonly push: (chunk: Uint8Array) => void
  /** No more comes. */
  readonly finish: () => void
}

const FOREIGN: Readonly<Record<string, string>> = {
  "3": "it is a device",
  "4": "it is a device",
  "6": "it is a FIFO",
  D: "it is the listing of an incremental archive",
  M: "it is a part of a file from another archive",
  S: "it is a sparse file",
  V: "it is a volume's label"
}

/** What pax headers and long names say of the member that follows. */
interface Extension {
  pax: ReadonlyMap<string, string> | undefined
  global: boolean
  longName: string | undefined
  longTarget: string | undefined
}

const noExtension = (): Extension => ({ pax: undefined, global: false, longName: undefined, longTarget: undefined })

/** `LENGTH KEYWORD=VALUE\n`, as often as there is room. */
const parsePax = (content: string, damaged: (reason: string) => ArchiveDamaged): ReadonlyMap<string, string> => {
  const records = new Map<string, string>()
  let at = 0
  while (at < content.length) {
    const space = content.indexOf(" ", at)
    const digits = content.slice(at, space)
    const end = at + (space > at && space - at < 8 && /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0)
    const equals = content.indexOf("=", space)
    if (end <= space + 1 || end > content.length || content[end - 1] !== "\n" || equals <= space + 1 || equals >= end) {
      throw damaged("an extended header with a record that is none")
    }
    const keyword = content.slice(space + 1, equals)
    if (records.has(keyword)) throw damaged("an extended header that says one thing twice")
    records.set(keyword, content.slice(equals + 1, end - 1))
    at = end
  }
  return records
}

/** Keywords that change what a member is, in a header that is for all members. */
const NOT_GLOBAL = ["path", "linkpath", "size"]

export const make = (limits: Limits, receiver: Receiver): Reader => {
  const block = Buffer.alloc(Header.BLOCK_BYTES)
  let filled = 0
  let offset = 0
  let state: "header" | "extension" | "data" | "padding" | "zero" | "end" = "header"
  let extension = noExtension()
  let pending: { readonly type: string; readonly content: Buffer; filled: number } | undefined
  let remaining = 0
  let padded = 0
  let isFile = false
  let trailing = 0
  let bytes = 0
  let entries = 0
  let nameBytes = 0

  const damaged = (reason: string) => new ArchiveDamaged({ reason, offset })

  const isExtended = (): boolean =>
    extension.pax !== undefined || extension.longName !== undefined || extension.longTarget !== undefined

  const beginExtension = (header: Header.Header): void => {
    if (header.type === "g" && isExtended()) throw damaged("an extended header that no member follows")
    if (header.size > HEADER_BYTES_MAX) throw new ArchiveTooLarge({ limit: "headerBytes", max: HEADER_BYTES_MAX })
    pending = { type: header.type, content: Buffer.alloc(header.size), filled: 0 }
    remaining = header.size
    padded = Header.padding(header.size)
    state = "extension"
    if (remaining === 0) endExtension()
  }

  const endExtension = (): void => {
    const { content, type } = pending ?? { content: Buffer.alloc(0), type: "" }
    pending = undefined
    const text = content.toString("latin1")
    const twice = damaged("two extended headers of one kind for one member")
    if (type === "x") {
      if (extension.pax !== undefined) throw twice
      extension.pax = parsePax(text, damaged)
    } else if (type === "g") {
      if (extension.global) throw twice
      extension.global = true
      const records = parsePax(text, damaged)
      if (NOT_GLOBAL.some((keyword) => records.has(keyword)) || isSparse(records)) {
        throw damaged("an extended header for all members names one of them")
      }
    } else {
      const name = /^([^\0]+)\0*$/.exec(text)?.[1]
      if (name === undefined) throw damaged("a long name that is none")
      if (type === "L") {
        if (extension.longName !== undefined) throw twice
        extension.longName = name
      } else {
        if (extension.longTarget !== undefined) throw twice
        extension.longTarget = name
      }
    }
    state = padded > 0 ? "padding" : "header"
  }

  const isSparse = (records: ReadonlyMap<string, string>): boolean =>
    [...records.keys()].some((keyword) => keyword.startsWith("GNU.sparse."))

  const count = (member: Member): void => {
    entries += 1
    if (entries > limits.entries) throw new ArchiveTooLarge({ limit: "entries", max: limits.entries })
    if (member.path.length > limits.depth) throw new ArchiveTooLarge({ limit: "depth", max: limits.depth })
    nameBytes += member.target.length
    for (const part of member.path) nameBytes += part.length
    if (nameBytes > limits.nameBytes) throw new ArchiveTooLarge({ limit: "nameBytes", max: limits.nameBytes })
    bytes += member.size
    if (bytes > limits.bytes) throw new ArchiveTooLarge({ limit: "bytes", max: limits.bytes })
  }

  const beginMember = (header: Header.Header): void => {
    const { longName, longTarget, pax = new Map<string, string>() } = extension
    extension = noExtension()
    const name = pax.get("path") ?? longName ?? header.name
    const target = pax.get("linkpath") ?? longTarget ?? header.target
    const refuse = (reason: string) => new ArchiveRefused({ member: Names.shown(name), reason })
    if ((pax.has("path") && longName !== undefined) || (pax.has("linkpath") && longTarget !== undefined)) {
      throw refuse("it has two names")
    }
    if (isSparse(pax)) throw refuse("it is a sparse file")
    const size = readSize(pax.get("size")) ?? header.size
    const mtimeSeconds = readMtime(pax.get("mtime")) ?? header.mtimeSeconds
    const type = typeOf(header.type, name)
    if (type === undefined) throw refuse(FOREIGN[header.type] ?? "it is of an unknown type")
    if (type !== "file" && size !== 0) throw refuse("it is no file, and has content")
    const path = Names.components(name, name)
    if (path.length === 0 && type !== "directory") throw refuse("it is in the place of the whole archive")
    if (type === "symlink") {
      if (target === "") throw refuse("it leads nowhere")
      Names.checkText(target, name, "what it leads to")
    }
    const member: Member = {
      type,
      path,
      target: type === "symlink" ? target : "",
      of: type === "hardlink" ? Names.components(target, name, "what it is another name of") : [],
      size,
      mode: header.mode,
      mtimeSeconds: Math.min(Math.max(0, mtimeSeconds), MTIME_SECONDS_MAX)
    }
    count(member)
    receiver.begin(member)
    isFile = type === "file"
    remaining = size
    padded = Header.padding(size)
    state = "data"
    if (remaining === 0) endData()
  }

  const readSize = (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined
    if (!/^[0-9]{1,15}$/.test(text)) throw damaged("an extended header with a size that is none")
    return Number(text)
  }

  const readMtime = (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined
    if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(text)) throw damaged("an extended header with a time that is none")
    return Number(text)
  }

  const endData = (): void => {
    if (isFile) receiver.end()
    state = padded > 0 ? "padding" : "header"
  }

  const takeBlock = (): void => {
    if (Header.isZero(block)) {
      if (isExtended()) throw damaged("an extended header that no member follows")
      state = state === "zero" ? "end" : "zero"
      return
    }
    if (state === "zero") throw damaged("a block of zeros between members")
    const header = Header.parse(block)
    if (typeof header === "string") throw damaged(header)
    if (header.type === "x" || header.type === "g" || header.type === "L" || header.type === "K") beginExtension(header)
    else beginMember(header)
  }

  /** Takes what it can of a chunk from there on, and says how much that was. */
  const take = (chunk: Buffer, from: number): number => {
    switch (state) {
      case "header":
      case "zero": {
        const taken = Math.min(Header.BLOCK_BYTES - filled, chunk.length - from)
        chunk.copy(block, filled, from, from + taken)
        filled += taken
        if (filled === Header.BLOCK_BYTES) {
          filled = 0
          takeBlock()
        }
        return taken
      }
      case "extension": {
        const taken = Math.min(remaining, chunk.length - from)
        if (pending !== undefined) {
          chunk.copy(pending.content, pending.filled, from, from + taken)
          pending.filled += taken
        }
        remaining -= taken
        if (remaining === 0) endExtension()
        return taken
      }
      case "data": {
        const taken = Math.min(remaining, chunk.length - from)
        receiver.data(chunk.subarray(from, from + taken))
        remaining -= taken
        if (remaining === 0) endData()
        return taken
      }
      case "padding": {
        const taken = Math.min(padded, chunk.length - from)
        padded -= taken
        if (padded === 0) state = "header"
        return taken
      }
      case "end": {
        const rest = chunk.subarray(from)
        trailing += rest.length
        if (trailing > TRAILING_BYTES_MAX || !Header.isZero(rest)) throw damaged("something follows after its end")
        return rest.length
      }
    }
  }

  return {
    push: (chunk) => {
      const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      for (let at = 0; at < buffer.length;) {
        const taken = take(buffer, at)
        at += taken
        offset += taken
      }
    },
    finish: () => {
      if (state !== "end") throw damaged("it ends too early")
    }
  }
}

/** In the format from before ustar, a directory is a file whose name ends in a slash. */
const typeOf = (flag: string, name: string): Member["type"] | undefined => {
  switch (flag) {
    case "0":
    case "\0":
    case "7":
      return name.endsWith("/") ? "directory" : "file"
    case "1":
      return "hardlink"
    case "2":
      return "symlink"
    case "5":
      return "directory"
    default:
      return undefined
  }
}
