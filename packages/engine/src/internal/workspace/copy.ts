import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import { WorkspaceTooLarge } from "../../WorkspaceError.js"
import type { Entry } from "./entry.js"
import type { Limits } from "./limits.js"
import type { Steps } from "./sliced.js"
import * as Tree from "./tree.js"

/** The user that a copy is for. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Something of the directory that is not in the copy, and why. */
export interface Skipped {
  readonly path: string
  readonly reason: string
}

export interface Copied {
  readonly entries: ReadonlyArray<Entry>
  readonly skipped: ReadonlyArray<Skipped>
}

interface State {
  readonly limits: Limits
  readonly owner: Owner | null
  readonly source: string
  readonly entries: Array<Entry>
  readonly skipped: Array<Skipped>
  bytes: number
  count: number
  /** Until the file system has said that it cannot share blocks. */
  isSharing: boolean
}

const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = Fs.constants

const reasons: Readonly<Record<string, string>> = { EACCES: "you may not read it", EPERM: "you may not read it" }

/** A file that is gone, or that may not be read, is no reason to copy nothing. */
const skippedFor = (cause: unknown): string | undefined =>
  cause instanceof Tree.NotAFile ? cause.message : reasons[Tree.codeOf(cause) ?? ""]

const count = (state: State): void => {
  state.count += 1
  if (state.count > state.limits.entries) {
    throw new WorkspaceTooLarge({ path: state.source, what: "entries", limit: state.limits.entries })
  }
}

/** Shares the blocks of a file where the file system can; at the first that it cannot, none is tried any more. */
const share = (fd: number, target: string, state: State): boolean => {
  if (!state.isSharing) return false
  try {
    Fs.copyFileSync(`/proc/self/fd/${fd}`, target, COPYFILE_EXCL | COPYFILE_FICLONE_FORCE)
    return true
  } catch {
    state.isSharing = false
    Fs.rmSync(target, { force: true })
    return false
  }
}

function* contents(fd: number, stat: Fs.BigIntStats, target: string, state: State): Steps<string> {
  const bytesLeft = state.limits.bytes - state.bytes
  if (stat.size > BigInt(bytesLeft)) {
    throw new WorkspaceTooLarge({ path: state.source, what: "bytes", limit: state.limits.bytes })
  }
  state.bytes += Number(stat.size)
  // An empty file shares nothing, and says nothing of the file system.
  if (stat.size > 0n && share(fd, target, state)) return yield* Tree.digest(fd, Number(stat.size))
  const out = Fs.openSync(target, "wx", 0o600)
  try {
    if (stat.size === 0n) return createHash("sha256").digest("hex")
    return yield* Tree.digest(fd, Number(stat.size), (chunk) => {
      let from = 0
      while (from < chunk.length) from += Fs.writeSync(out, chunk, from)
    })
  } finally {
    Fs.closeSync(out)
  }
}

/** Seconds, as the times of files are set. */
const seconds = (nanoseconds: bigint): number => Number(nanoseconds / 1000n) / 1e6

const give = (target: string, mode: number, stat: Fs.BigIntStats, owner: Owner | null): void => {
  if (owner !== null) Fs.chownSync(target, owner.uid, owner.gid)
  Fs.chmodSync(target, mode)
  Fs.utimesSync(target, seconds(stat.atimeNs), seconds(stat.mtimeNs))
}

function* file(directory: Tree.Directory, name: string, path: string, target: string, state: State): Steps<void> {
  yield* Tree.withFile(directory, name, function* (fd, stat) {
    const hash = yield* contents(fd, stat, target, state)
    const mode = Tree.permissionsOf(stat)
    give(target, mode, stat, state.owner)
    const made = Fs.lstatSync(target, { bigint: true })
    state.entries.push({ _tag: "File", path, mode, size: Number(made.size), hash, stamp: Tree.stampOf(made) })
  })
}

const link = (directory: Tree.Directory, name: string, path: string, target: string, state: State): void => {
  const text = Tree.readLink(directory, name)
  if (text === null) {
    state.skipped.push({ path, reason: "where it leads is no text" })
    return
  }
  Fs.symlinkSync(text, target)
  if (state.owner !== null) Fs.lchownSync(target, state.owner.uid, state.owner.gid)
  state.entries.push({ _tag: "Link", path, target: text })
}

function* entry(
  directory: Tree.Directory,
  name: string,
  place: { readonly path: string; readonly target: string; readonly depth: number },
  state: State
): Steps<void> {
  const { depth, path, target } = place
  const stat = Tree.lstatIfThere(directory, name)
  if (stat === undefined) return
  count(state)
  if (stat.isSymbolicLink()) return link(directory, name, path, target, state)
  if (stat.isFile()) return yield* file(directory, name, path, target, state)
  if (!stat.isDirectory()) {
    state.skipped.push({ path, reason: `it is ${Tree.kindOf(stat)}` })
    return
  }
  if (depth >= state.limits.depth) {
    throw new WorkspaceTooLarge({ path: state.source, what: "depth", limit: state.limits.depth })
  }
  const below = Tree.openIn(directory, name)
  try {
    const mode = Tree.permissionsOf(stat)
    Fs.mkdirSync(target, { mode: 0o700 })
    state.entries.push({ _tag: "Directory", path, mode })
    yield* into(below, { path, target, depth: depth + 1 }, state)
    give(target, mode, stat, state.owner)
  } finally {
    Tree.close(below)
  }
}

function* into(
  directory: Tree.Directory,
  place: { readonly path: string; readonly target: string; readonly depth: number },
  state: State
): Steps<void> {
  const { names, unreadable } = Tree.namesIn(directory)
  if (unreadable > 0) {
    state.skipped.push({ path: place.path, reason: `${unreadable} names in it are not UTF-8` })
  }
  for (const name of names) {
    const path = place.path === "" ? name : `${place.path}/${name}`
    try {
      yield* entry(directory, name, { path, target: `${place.target}/${name}`, depth: place.depth }, state)
    } catch (cause) {
      const reason = skippedFor(cause)
      if (reason === undefined) throw cause
      Fs.rmSync(`${place.target}/${name}`, { recursive: true, force: true })
      state.skipped.push({ path, reason })
    }
    yield
  }
}

/**
 * Copies what is in a directory into `target`, which is there and empty. Links are copied as they are. What is neither
 * file, directory nor link, and what may not be read, is left out and named.
 */
export function* tree(
  source: string,
  target: string,
  { limits, owner }: { readonly limits: Limits; readonly owner: Owner | null }
): Steps<Copied> {
  const root = Tree.openRoot(source)
  try {
    const state: State = {
      limits,
      owner,
      source,
      entries: [],
      skipped: [],
      bytes: 0,
      count: 0,
      isSharing: process.platform === "linux"
    }
    yield* into(root, { path: "", target, depth: 0 }, state)
    // Whatever the directory's own mode is, its user works in the copy.
    give(
      target,
      Tree.permissionsOf(Fs.fstatSync(root.fd, { bigint: true })) | 0o700,
      Fs.fstatSync(root.fd, { bigint: true }),
      owner
    )
    return { entries: state.entries, skipped: state.skipped }
  } finally {
    Tree.close(root)
  }
}
