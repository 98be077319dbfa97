import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { type Entry, type FileEntry, isSame, type LinkEntry } from "./entry.js"
import type { Change } from "./scan.js"
import type { Steps } from "./sliced.js"
import * as Tree from "./tree.js"

/** What is at a path of the directory that a copy was made of, or why that cannot be said. */
export type Standing =
  | { readonly _tag: "Is"; readonly entry: Entry | null; readonly mark: string | null }
  | { readonly _tag: "Blocked"; readonly reason: string }

/** What tells a file here from the one that was looked at; its user hides nothing. Another name of it changes its ctime. */
const markOf = ({ ino, mtimeNs, size }: Fs.BigIntStats): string => `${ino}:${size}:${mtimeNs}`

const isRoot = process.getuid?.() === 0

/** What is at a path now. A way that leads through a link is not gone. */
export function* standing(root: Tree.Directory, path: string, bytesMax: number): Steps<Standing> {
  const blocked = (reason: string): Standing => ({ _tag: "Blocked", reason })
  const [parents, name] = Tree.split(path)
  const opened: Array<Tree.Directory> = []
  try {
    let directory = root
    for (const parent of parents) {
      directory = Tree.openIn(directory, parent)
      opened.push(directory)
    }
    const stat = Tree.lstatIfThere(directory, name)
    if (stat === undefined) return { _tag: "Is", entry: null, mark: null }
    const mark = markOf(stat)
    const mode = Tree.permissionsOf(stat)
    if (stat.isDirectory()) return { _tag: "Is", entry: { _tag: "Directory", path, mode }, mark }
    if (stat.isSymbolicLink()) {
      const target = Tree.readLink(directory, name)
      return target === null
        ? blocked("where the link here leads is no text")
        : { _tag: "Is", entry: { _tag: "Link", path, target }, mark }
    }
    if (!stat.isFile()) return blocked(`here it is ${Tree.kindOf(stat)}`)
    if (stat.size > BigInt(bytesMax)) return blocked("the file here is too large to compare")
    const size = Number(stat.size)
    return yield* Tree.withFile(directory, name, function* (fd) {
      const hash = yield* Tree.digest(fd, size)
      return { _tag: "Is", entry: { _tag: "File", path, mode, size, hash, stamp: "" }, mark } satisfies Standing
    })
  } catch (cause) {
    if (cause instanceof Tree.NotAFile) return blocked(cause.message)
    const code = Tree.codeOf(cause)
    if (code === "ENOENT") return { _tag: "Is", entry: null, mark: null }
    if (code === "ELOOP" || code === "ENOTDIR") return blocked("a directory on the way to it is none here")
    if (code === "EACCES" || code === "EPERM") return blocked("you may not read it here")
    throw cause
  } finally {
    for (const directory of opened) Tree.close(directory)
  }
}

/** A change whose file is not what was found before, or that cannot be made. */
export class NotTaken extends Error {}

/** What stood at each path when it was weighed; what is not in it may be anything. */
export type Marks = ReadonlyMap<string, string | null>

/** What its user saved after it was weighed is his. */
const checkMark = (there: Fs.BigIntStats | undefined, path: string, marks: Marks): void => {
  const mark = marks.get(path)
  if (mark === undefined || there === undefined || there.isDirectory()) return
  if (markOf(there) !== mark) throw new NotTaken("it was changed here while changes were taken")
}

/** Root gives what it makes to whoever has the directory; everybody else makes what is his own. */
const give = (fd: number, parent: Tree.Directory, before: Fs.BigIntStats | undefined): void => {
  if (!isRoot) return
  const owner = before ?? Fs.fstatSync(parent.fd, { bigint: true })
  Fs.fchownSync(fd, Number(owner.uid), Number(owner.gid))
}

const temporary = (): string => `.bottle-${randomBytes(6).toString("hex")}.tmp`

/** The contents of a copy's file under another name, and then its own: whoever reads it sees the old or the new. */
function* placeFile(
  copy: Tree.Directory,
  parent: Tree.Directory,
  name: string,
  entry: FileEntry,
  marks: Marks
): Steps<void> {
  const partial = temporary()
  const target = Tree.at(parent, partial)
  const out = Fs.openSync(target, "wx", 0o600)
  let isPlaced = false
  try {
    const opened: Array<Tree.Directory> = []
    try {
      const [parents, own] = Tree.split(entry.path)
      let directory = copy
      for (const part of parents) {
        directory = Tree.openIn(directory, part)
        opened.push(directory)
      }
      const hash = yield* Tree.withFile(directory, own, function* (fd) {
        return yield* Tree.digest(fd, entry.size, (chunk) => {
          let from = 0
          while (from < chunk.length) from += Fs.writeSync(out, chunk, from)
        })
      })
      if (hash !== entry.hash) throw new NotTaken("it was changed in the copy while it was read")
    } finally {
      for (const directory of opened) Tree.close(directory)
    }
    const there = Tree.lstatIfThere(parent, name)
    checkMark(there, entry.path, marks)
    give(out, parent, there)
    Fs.fchmodSync(out, entry.mode)
    Fs.renameSync(target, Tree.at(parent, name))
    isPlaced = true
  } finally {
    Fs.closeSync(out)
    if (!isPlaced) Fs.rmSync(target, { force: true })
  }
}

const placeLink = (parent: Tree.Directory, name: string, { path, target }: LinkEntry, marks: Marks): void => {
  const partial = Tree.at(parent, temporary())
  Fs.symlinkSync(target, partial)
  try {
    if (isRoot) {
      const owner = Fs.fstatSync(parent.fd)
      Fs.lchownSync(partial, owner.uid, owner.gid)
    }
    checkMark(Tree.lstatIfThere(parent, name), path, marks)
    Fs.renameSync(partial, Tree.at(parent, name))
  } catch (cause) {
    Fs.rmSync(partial, { force: true })
    throw cause
  }
}

/** A directory that is made can be written to until all that is in it is there; its own mode comes last. */
const placeDirectory = (parent: Tree.Directory, name: string, mode = 0o700): void => {
  const there = Tree.lstatIfThere(parent, name)
  if (there?.isDirectory() === true) return
  Fs.mkdirSync(Tree.at(parent, name), { mode: 0o700 })
  const made = Tree.openIn(parent, name)
  try {
    give(made.fd, parent, undefined)
    Fs.fchmodSync(made.fd, mode)
  } finally {
    Tree.close(made)
  }
}

const depthOf = (path: string): number => path.split("/").length

/** Deepest first, so that a directory is empty when it is its turn. */
const inward = (left: Change, right: Change): number => depthOf(right.path) - depthOf(left.path)

const isDirectory = (entry: Entry | null): boolean => entry?._tag === "Directory"

/** What makes room: whatever is gone, and whatever becomes a directory or was one. */
const makesRoom = ({ after, before }: Change): boolean =>
  before !== null && (after === null || isDirectory(after) !== isDirectory(before))

/** A directory that somebody has put something into stays. */
const leave = (root: Tree.Directory, { after, before, path }: Change, marks: Marks): void => {
  try {
    Tree.inParent(root, path, (parent, name) => {
      const stat = Tree.lstatIfThere(parent, name)
      if (stat === undefined) return
      checkMark(stat, path, marks)
      if (isDirectory(before) && stat.isDirectory()) Fs.rmdirSync(Tree.at(parent, name))
      else if (!stat.isDirectory()) Fs.unlinkSync(Tree.at(parent, name))
    })
  } catch (cause) {
    const code = Tree.codeOf(cause)
    if (code === "ENOENT") return
    if ((code === "ENOTEMPTY" || code === "EEXIST") && after === null) return
    throw cause
  }
}

function* place(copy: Tree.Directory, root: Tree.Directory, entry: Entry, marks: Marks): Steps<void> {
  const [parents, name] = Tree.split(entry.path)
  const opened: Array<Tree.Directory> = []
  try {
    let parent = root
    for (const part of parents) {
      // It was removed here; what is put into it needs it again.
      if (Tree.lstatIfThere(parent, part) === undefined) placeDirectory(parent, part, 0o755)
      parent = Tree.openIn(parent, part)
      opened.push(parent)
    }
    if (entry._tag === "Directory") placeDirectory(parent, name)
    else if (entry._tag === "Link") placeLink(parent, name, entry, marks)
    else yield* placeFile(copy, parent, name, entry, marks)
  } finally {
    for (const directory of opened) Tree.close(directory)
  }
}

const setMode = (root: Tree.Directory, path: string, mode: number): void =>
  Tree.inParent(root, path, (parent, name) => {
    const directory = Tree.openIn(parent, name)
    try {
      Fs.fchmodSync(directory.fd, mode)
    } finally {
      Tree.close(directory)
    }
  })

const setModeIfThere = (root: Tree.Directory, path: string, mode: number): void => {
  try {
    setMode(root, path, mode)
  } catch (cause) {
    if (Tree.codeOf(cause) !== "ENOENT") throw cause
  }
}

/** One that keeps its user from writing to it is opened for him while things are put into it. */
const opening = (root: Tree.Directory, changes: ReadonlyArray<Change>): ReadonlyMap<string, number> => {
  const opened = new Map<string, number>()
  if (isRoot) return opened
  const made = new Set(
    changes.flatMap(({ after, before, path }) => (isDirectory(after) && before === null ? [path] : []))
  )
  for (const path of new Set(changes.map((change) => Tree.split(change.path)[0].join("/")))) {
    if (path === "" || made.has(path)) continue
    try {
      Tree.inParent(root, path, (parent, name) => {
        const stat = Tree.lstatIfThere(parent, name)
        const mode = stat === undefined ? 0o700 : Tree.permissionsOf(stat)
        if (stat?.isDirectory() !== true || (mode & 0o300) === 0o300) return
        setMode(root, path, mode | 0o700)
        opened.set(path, mode)
      })
    } catch (cause) {
      // What cannot be opened is told by what is to be put into it.
      if (Tree.codeOf(cause) === undefined) throw cause
    }
  }
  return opened
}

/** How far it came, so that a failure says it. */
export interface Taking {
  taken: number
  path: string
}

function* make(
  copy: Tree.Directory,
  root: Tree.Directory,
  changes: ReadonlyArray<Change>,
  { marks, taking }: { readonly marks: Marks; readonly taking: Taking }
): Steps<void> {
  for (const change of changes.filter(makesRoom).toSorted(inward)) {
    taking.path = change.path
    leave(root, change, marks)
    if (change.after === null) taking.taken += 1
    yield
  }
  // Sorted by path: what a thing is in comes before it.
  for (const { after, path } of changes) {
    if (after === null) continue
    taking.path = path
    yield* place(copy, root, after, marks)
    taking.taken += 1
    yield
  }
}

/**
 * Makes the changes in the directory at `source`, of what is in the copy at `tree`. Each file is replaced at once; what
 * is taken already is taken again without harm. What was changed here since it was weighed is not replaced, as far as
 * `marks` say how it was.
 */
export function* take(
  { marks = new Map(), source, tree }: { readonly tree: string; readonly source: string; readonly marks?: Marks },
  changes: ReadonlyArray<Change>,
  taking: Taking
): Steps<void> {
  const copy = Tree.openRoot(tree)
  try {
    const root = Tree.openReal(source)
    try {
      const opened = opening(root, changes)
      try {
        yield* make(copy, root, changes, { marks, taking })
      } finally {
        for (const [path, mode] of opened) setModeIfThere(root, path, mode)
      }
      const modes = new Map(opened)
      for (const { after, path } of changes) if (after?._tag === "Directory") modes.set(path, after.mode)
      for (const [path, mode] of [...modes].toSorted(([left], [right]) => depthOf(right) - depthOf(left))) {
        taking.path = path
        setModeIfThere(root, path, mode)
      }
    } finally {
      Tree.close(root)
    }
  } finally {
    Tree.close(copy)
  }
}

/** A change, held against what is there now. */
export interface Weighed {
  readonly change: Change
  /** `open` is to be taken; `taken` is so already; `conflict` was changed here; `blocked` cannot be replaced. */
  readonly state: "open" | "taken" | "conflict" | "blocked"
  readonly reason: string | null
  /** What tells what is there now from what may be there later; null where nothing is. */
  readonly mark: string | null
}

/** Whether everything in a directory that is to become something else is known to go. */
const holdsOther = (root: Tree.Directory, path: string, goes: ReadonlySet<string>): boolean => {
  try {
    return Tree.inParent(root, path, (parent, name) => {
      const directory = Tree.openIn(parent, name)
      try {
        const { names, unreadable } = Tree.namesIn(directory)
        return unreadable > 0 || names.some((child) => !goes.has(`${path}/${child}`))
      } finally {
        Tree.close(directory)
      }
    })
  } catch {
    return true
  }
}

/** Holds each change against what is at its path in the directory now. */
export function* weigh(
  source: string,
  changes: ReadonlyArray<Change>,
  bytesMax: number
): Steps<ReadonlyArray<Weighed>> {
  const root = Tree.openReal(source)
  const goes = new Set(changes.flatMap(({ after, path }) => (after === null ? [path] : [])))
  const weighed: Array<Weighed> = []
  // What was a directory and is taken: nothing is beneath it any more.
  const replaced = new Set<string>()
  // What is to be a directory and is none yet: nothing is beneath it now.
  const turning = new Set<string>()
  const isBelow = (path: string, some: ReadonlySet<string>): boolean =>
    some.size > 0 && Tree.above(path).some((directory) => some.has(directory))
  try {
    for (const change of changes) {
      const now = yield* standing(root, change.path, bytesMax)
      const mark = now._tag === "Is" ? now.mark : null
      if (makesRoom(change) && isDirectory(change.after)) turning.add(change.path)
      const add = (state: Weighed["state"], reason: string | null = null) =>
        weighed.push({ change, state, reason, mark })
      if (now._tag === "Blocked") {
        if (change.after === null && isBelow(change.path, replaced)) add("taken")
        else if (change.before === null && isBelow(change.path, turning)) add("open")
        else add("blocked", now.reason)
      } else if (isSame(now.entry, change.after)) {
        add("taken")
        if (isDirectory(change.before) && !isDirectory(change.after)) replaced.add(change.path)
      }
      // It made room, and that was interrupted; or its user removed it, and has nothing to lose.
      else if (now.entry === null && makesRoom(change)) add("open")
      else if (isDirectory(now.entry) && !isDirectory(change.after) && change.after !== null) {
        if (holdsOther(root, change.path, goes)) add("blocked", "here it is a directory that holds other files")
        else add(isSame(now.entry, change.before) ? "open" : "conflict")
      } else if (isSame(now.entry, change.before)) add("open")
      // Both made it: there is nothing to lose, and the mode is the copy's.
      else if (isDirectory(now.entry) && isDirectory(change.after)) add("open")
      else if (isDirectory(now.entry) && change.after === null) add("open")
      else add("conflict")
      yield
    }
    return weighed
  } finally {
    Tree.close(root)
  }
}
