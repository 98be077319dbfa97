import * as Fs from "node:fs"
import { WorkspaceTooLarge } from "../../WorkspaceError.js"
import { type Entry, isSame } from "./entry.js"
import { actingFor, guardedFor, type Known, namedBy, tellingIn } from "./guarded.js"
import type { Limits } from "./limits.js"
import * as Links from "./links.js"
import type { Steps } from "./sliced.js"
import * as Tree from "./tree.js"

/** Linux opens no longer path. */
const PATH_CHARS_MAX = 4000

const LEADS_OUT = "it is a link that leads out of the directory"

/** Where a repository says what its hooks are is a small file. */
const CONFIGURATION_BYTES_MAX = 1024 * 1024

/**
 * One path that is not as it was.
 *
 * - `before`, `after`: null where nothing was there, or is; `after` is null too for what cannot be taken
 * - `refused`: why it can never be taken
 * - `guarded`: why it is taken only where that is asked for
 * - `acting`: what it may set off by itself
 */
export interface Change {
  readonly path: string
  readonly before: Entry | null
  readonly after: Entry | null
  readonly refused: string | null
  readonly guarded: string | null
  readonly acting: string | null
}

interface State {
  readonly root: string
  readonly limits: Limits
  readonly known: ReadonlyMap<string, Entry>
  readonly found: Map<string, Entry>
  readonly refused: Map<string, string>
  bytes: number
  count: number
}

/** Nobody but its owner writes to what could be written to by nobody else. */
const modeOf = (stat: Fs.BigIntStats, known: Entry | undefined): number => {
  const before = known === undefined || known._tag === "Link" ? 0 : known.mode
  return Tree.permissionsOf(stat) & ~(0o022 & ~before)
}

function* file(directory: Tree.Directory, name: string, path: string, state: State): Steps<void> {
  const known = state.known.get(path)
  const stat = Tree.lstat(directory, name)
  const mode = modeOf(stat, known)
  if (known?._tag === "File" && known.stamp === Tree.stampOf(stat)) {
    state.found.set(path, { ...known, mode })
    return
  }
  if (stat.size > BigInt(state.limits.bytes - state.bytes)) {
    state.refused.set(path, "it is larger than what is read back")
    return
  }
  state.bytes += Number(stat.size)
  yield* Tree.withFile(directory, name, function* (fd, opened) {
    // Between the two looks it may have become another one.
    if (opened.ino !== stat.ino || opened.size > stat.size) throw new Tree.NotAFile("it changed while it was looked at")
    const hash = yield* Tree.digest(fd, Number(opened.size))
    const entry = { _tag: "File", path, mode, size: Number(opened.size), hash, stamp: Tree.stampOf(opened) } as const
    state.found.set(path, entry)
  })
}

const link = (directory: Tree.Directory, name: string, path: string, state: State): void => {
  const target = Tree.readLink(directory, name)
  const known = state.known.get(path)
  if (target === null) state.refused.set(path, "where the link leads is no text")
  else if (Links.staysWithin(path, target) || (known?._tag === "Link" && known.target === target)) {
    state.found.set(path, { _tag: "Link", path, target })
  } else state.refused.set(path, LEADS_OUT)
}

function* entry(directory: Tree.Directory, name: string, path: string, depth: number, state: State): Steps<void> {
  const stat = Tree.lstatIfThere(directory, name)
  if (stat === undefined) return
  state.count += 1
  if (state.count > state.limits.entries) {
    throw new WorkspaceTooLarge({ path: state.root, what: "entries", limit: state.limits.entries })
  }
  if (path.length > PATH_CHARS_MAX) return void state.refused.set(path, "its path is too long")
  if (stat.isSymbolicLink()) return link(directory, name, path, state)
  if (stat.isFile()) return yield* file(directory, name, path, state)
  if (!stat.isDirectory()) return void state.refused.set(path, `it is ${Tree.kindOf(stat)}`)
  if (depth >= state.limits.depth) return void state.refused.set(path, "it is too deep")
  const below = Tree.openIn(directory, name)
  try {
    state.found.set(path, { _tag: "Directory", path, mode: modeOf(stat, state.known.get(path)) })
    yield* into(below, path, depth + 1, state)
  } finally {
    Tree.close(below)
  }
}

const reasonOf = (cause: unknown): string | undefined => {
  if (cause instanceof Tree.NotAFile) return cause.message
  const code = Tree.codeOf(cause)
  if (code === "EACCES" || code === "EPERM") return "it cannot be read"
  return code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO"
    ? "it changed while it was looked at"
    : undefined
}

function* into(directory: Tree.Directory, prefix: string, depth: number, state: State): Steps<void> {
  const { names, unreadable } = Tree.namesIn(directory)
  if (unreadable > 0) state.refused.set(`${prefix}/?`, `${unreadable} names that are not UTF-8`)
  for (const name of names) {
    const path = prefix === "" ? name : `${prefix}/${name}`
    try {
      yield* entry(directory, name, path, depth, state)
    } catch (cause) {
      const reason = reasonOf(cause)
      if (reason === undefined) throw cause
      state.found.delete(path)
      state.refused.set(path, reason)
    }
    yield
  }
}

/** What the repository's own configuration has git run or read, as it was before a guest could change it. */
function* namedBefore(source: string): Steps<ReadonlyArray<string>> {
  try {
    const root = Tree.openRoot(source)
    try {
      const directory = Tree.openIn(root, ".git")
      try {
        return yield* Tree.withFile(directory, "config", function* (fd) {
          const chunks: Array<Buffer> = []
          yield* Tree.digest(fd, CONFIGURATION_BYTES_MAX, (chunk) => chunks.push(Buffer.from(chunk)))
          return namedBy(Buffer.concat(chunks).toString(), source)
        })
      } finally {
        Tree.close(directory)
      }
    } finally {
      Tree.close(root)
    }
  } catch {
    return []
  }
}

/** New links that lead out by way of others. */
function* leadingOut(
  found: ReadonlyMap<string, Entry>,
  known: ReadonlyMap<string, Entry>
): Steps<ReadonlyArray<string>> {
  const out: Array<string> = []
  for (const [path, one] of found) {
    if (one._tag !== "Link" || isSame(one, known.get(path) ?? null)) continue
    if (Links.follow(path, found).leadsOut) out.push(path)
    yield
  }
  return out
}

/** What is guarded may be a link to something else of the tree, and that is what git runs then. */
const behind = (source: string, entries: ReadonlyMap<string, Entry>, known: Known): ReadonlyArray<string> => {
  const led = (path: string): ReadonlyArray<string> => Links.follow(path, entries, source).paths
  const named = known.named.flatMap((path) => [path, ...led(path)])
  const isGuarded = ({ _tag, path }: Entry): boolean =>
    _tag === "Link" && guardedFor(path, { ...known, named }) !== null
  return [...named, ...[...entries.values()].filter(isGuarded).flatMap(({ path }) => led(path))]
}

/** A guest may keep us out of the tree itself, which is ours. */
const openTree = (root: string): Tree.Directory => {
  try {
    return Tree.openRoot(root)
  } catch (cause) {
    if (Tree.codeOf(cause) !== "EACCES" || !Fs.lstatSync(root).isDirectory()) throw cause
    Fs.chmodSync(root, 0o700)
    return Tree.openRoot(root)
  }
}

/** What of a tree is not as it was, sorted by path. */
export function* changes(
  root: string,
  { base, limits, source }: { readonly base: ReadonlyArray<Entry>; readonly limits: Limits; readonly source: string }
): Steps<ReadonlyArray<Change>> {
  const known = new Map(base.map((one) => [one.path, one]))
  const state: State = { root, limits, known, found: new Map(), refused: new Map(), bytes: 0, count: 0 }
  const directory = openTree(root)
  try {
    yield* into(directory, "", 0, state)
  } finally {
    Tree.close(directory)
  }
  const { found, refused } = state
  for (const path of yield* leadingOut(found, known)) {
    found.delete(path)
    refused.set(path, LEADS_OUT)
  }
  const telling = tellingIn([...known.keys(), ...found.keys()])
  const repository: Known = {
    has: (path) => telling.has(path),
    had: (path) => known.has(path),
    named: yield* namedBefore(source)
  }
  const surroundings: Known = { ...repository, named: behind(source, known, repository) }
  const paths = [...new Set([...known.keys(), ...found.keys(), ...refused.keys()])].toSorted()
  // What is beneath something that cannot be looked at is not known to be gone.
  const isHidden = (path: string): boolean => {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      if (refused.get(path.slice(0, slash)) === "it cannot be read") return true
    }
    return false
  }
  const all: Array<Change> = []
  for (const path of paths) {
    const before = known.get(path) ?? null
    const after = found.get(path) ?? null
    const why = refused.get(path) ?? null
    if (why === null && (isSame(before, after) || isHidden(path))) continue
    const isDirectory = (after ?? before)?._tag === "Directory"
    const guarded = isDirectory ? null : guardedFor(path, surroundings)
    all.push({ path, before, after, refused: why, guarded, acting: after === null ? null : actingFor(path) })
    yield
  }
  return all
}
