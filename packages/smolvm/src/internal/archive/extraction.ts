/*
 * Fills an empty directory with what a reader gives. Nothing is ever followed: each directory on the way was made here,
 * is held open, and is known from memory; each file is new. Symbolic links are made when all of the tree is known.
 */

import * as Fs from "node:fs"
import { ArchiveRefused } from "../../ArchiveError.js"
import * as Handle from "./handle.js"
import * as Names from "./names.js"
import type { Member, Receiver } from "./reader.js"
import * as Tree from "./tree.js"

/** A symbolic link that was not made, and why. */
export interface LeftOut {
  readonly path: string
  readonly reason: string
}

export interface Extraction extends Receiver {
  readonly root: Tree.DirectoryNode
  readonly counts: {
    readonly files: number
    readonly directories: number
    readonly links: number
    readonly bytes: number
  }
  /** Makes the symbolic links that stay below the root, one at a time. */
  readonly makeLinks: (existing: Tree.Existing) => Generator<void, ReadonlyArray<LeftOut>>
  /** Gives the directories below one of the tree's their modes and times, one at a time, the innermost first. */
  readonly settle: (node: Tree.DirectoryNode, path: ReadonlyArray<string>) => Generator<void>
  /** The directory at a path of the tree, until the next one is entered. */
  readonly enter: (path: ReadonlyArray<string>) => Handle.Directory
  readonly close: () => void
}

/** Of a directory that the archive does not name. */
const IMPLIED_MODE = 0o755

/** What a guest would open to everybody here is open to whom its user opens new files. */
const modeOf = ({ mode }: Member): number => mode & ~process.umask()

export const make = (directory: Handle.Directory): Extraction => {
  const root = Tree.directory(IMPLIED_MODE)
  const counts = { files: 0, directories: 0, links: 0, bytes: 0 }
  const links: Array<{ readonly path: ReadonlyArray<string>; readonly node: Tree.LinkNode }> = []
  let file: { readonly descriptor: number; readonly member: Member } | undefined

  // The directories from the root to the one that was used last. Archives go depth first, so most of it stays.
  const way: Array<{ readonly name: string; readonly handle: Handle.Directory }> = []

  const enter = (path: ReadonlyArray<string>): Handle.Directory => {
    let same = 0
    while (same < way.length && same < path.length && way[same]?.name === path[same]) same++
    for (const { handle } of way.splice(same).reverse()) handle.close()
    let current = way.at(-1)?.handle ?? directory
    for (const name of path.slice(same)) {
      current = Handle.openIn(current, name)
      way.push({ name, handle: current })
    }
    return current
  }

  const refuse = (path: ReadonlyArray<string>, reason: string) =>
    new ArchiveRefused({ member: Names.shown(path.join("/")), reason })

  /** Makes an entry that is new as far as the archive goes; where there is one, the file system has taken two names for one. */
  const asNew = <A>(path: ReadonlyArray<string>, create: () => A): A => {
    try {
      return create()
    } catch (cause) {
      const code = codeOf(cause)
      if (code === "EEXIST") throw refuse(path, "this file system takes its name for that of another member")
      if (code === "EILSEQ" || code === "EINVAL") throw refuse(path, "this file system does not take its name")
      throw cause
    }
  }

  /** The node of a directory, made with those above it where they are not there yet. */
  const directoryAt = (path: ReadonlyArray<string>): Tree.DirectoryNode => {
    let node = root
    for (const [index, name] of path.entries()) {
      const found = node.entries.get(name)
      if (found === undefined) {
        const at = enter(path.slice(0, index)).at(name)
        asNew(path, () => Fs.mkdirSync(at, { mode: 0o700 }))
        const made = Tree.directory(IMPLIED_MODE)
        node.entries.set(name, made)
        counts.directories += 1
        node = made
      } else if (found._tag === "Directory") {
        node = found
      } else {
        const what = found._tag === "Link" ? "a symbolic link" : "a file"
        throw refuse(path, `it goes through ${Names.shown(path.slice(0, index + 1).join("/"))}, which is ${what}`)
      }
    }
    return node
  }

  /** Where a new entry goes: the directory, its node, and the name in it. */
  const placeFor = (path: ReadonlyArray<string>) => {
    const above = path.slice(0, -1)
    const name = path.at(-1) ?? ""
    const node = directoryAt(above)
    if (node.entries.has(name)) throw refuse(path, "the archive has it twice")
    return { node, name, handle: enter(above) }
  }

  const find = (path: ReadonlyArray<string>): Tree.Node | undefined => {
    let node: Tree.Node | undefined = root
    for (const name of path) node = node?._tag === "Directory" ? node.entries.get(name) : undefined
    return node
  }

  const link = (path: ReadonlyArray<string>, node: Tree.LinkNode): void => {
    const place = placeFor(path)
    place.node.entries.set(place.name, node)
    links.push({ path, node })
  }

  const hardLink = ({ of, path }: Member): void => {
    const target = find(of)
    if (target === undefined || target._tag === "Directory") {
      throw refuse(path, "it is another name of what is no file of the archive")
    }
    if (target._tag === "Link") return link(path, target)
    const place = placeFor(path)
    // One of the two may be in a directory that the other's way has just left.
    const source = Handle.openWithin(directory, of.slice(0, -1))
    try {
      asNew(path, () => Fs.linkSync(source.at(of.at(-1)), place.handle.at(place.name)))
    } finally {
      source.close()
    }
    place.node.entries.set(place.name, Tree.FILE)
    counts.files += 1
  }

  const begin = (member: Member): void => {
    switch (member.type) {
      case "directory": {
        const node = directoryAt(member.path)
        node.mode = modeOf(member)
        node.mtimeSeconds = member.mtimeSeconds
        return
      }
      case "file": {
        const place = placeFor(member.path)
        file = { descriptor: asNew(member.path, () => Handle.createFile(place.handle, place.name)), member }
        place.node.entries.set(place.name, Tree.FILE)
        counts.files += 1
        return
      }
      case "symlink":
        return link(member.path, { _tag: "Link", target: member.target, mtimeSeconds: member.mtimeSeconds })
      case "hardlink":
        return hardLink(member)
    }
  }

  const data = (bytes: Buffer): void => {
    const descriptor = file?.descriptor ?? -1
    for (let at = 0; at < bytes.length;) at += Fs.writeSync(descriptor, bytes, at)
    counts.bytes += bytes.length
  }

  const end = (): void => {
    if (file === undefined) return
    const { descriptor, member } = file
    Fs.futimesSync(descriptor, member.mtimeSeconds, member.mtimeSeconds)
    Fs.fchmodSync(descriptor, modeOf(member))
    file = undefined
    Fs.closeSync(descriptor)
  }

  function* makeLinks(existing: Tree.Existing): Generator<void, ReadonlyArray<LeftOut>> {
    const leftOut: Array<LeftOut> = []
    const kept = new Set<(typeof links)[number]>()
    // All are judged before one is taken out, since one may lead through another.
    for (const link of links) {
      yield
      const reason = Tree.leadsOut(root, link.path, link.node, existing)
      if (reason === undefined) kept.add(link)
      else leftOut.push({ path: Names.shown(link.path.join("/")), reason })
    }
    for (const link of links) {
      yield
      const { node, path } = link
      const above = path.slice(0, -1)
      const name = path.at(-1) ?? ""
      if (!kept.has(link)) {
        directoryAt(above).entries.delete(name)
        continue
      }
      const at = enter(above).at(name)
      asNew(path, () => Fs.symlinkSync(Buffer.from(node.target, "latin1"), at))
      Fs.lutimesSync(at, node.mtimeSeconds, node.mtimeSeconds)
      counts.links += 1
    }
    return leftOut
  }

  function* settleBelow(node: Tree.DirectoryNode, path: ReadonlyArray<string>): Generator<void> {
    for (const [name, entry] of node.entries) {
      if (entry._tag !== "Directory") continue
      const inner = [...path, name]
      yield* settleBelow(entry, inner)
      finish(enter(inner), entry)
      yield
    }
  }

  const close = (): void => {
    if (file !== undefined) Fs.closeSync(file.descriptor)
    file = undefined
    for (const { handle } of way.splice(0).reverse()) handle.close()
  }

  return { root, counts, begin, data, end, makeLinks, settle: settleBelow, enter, close }
}

/** The system's word for what went wrong (ENOSPC); undefined where it was not the system. */
export const codeOf = (cause: unknown): string | undefined => {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined
  return typeof code === "string" && cause instanceof Error && "syscall" in cause ? code : undefined
}

/** Gives a directory its mode and time. What is moved afterwards must stay writable until then: `andWritable`. */
export const finish = (handle: Handle.Directory, node: Tree.DirectoryNode, andWritable = false): void => {
  const { mode, mtimeSeconds } = node
  if (mtimeSeconds !== undefined) Fs.utimesSync(handle.at(), mtimeSeconds, mtimeSeconds)
  Fs.chmodSync(handle.at(), andWritable ? mode | 0o700 : mode)
}
