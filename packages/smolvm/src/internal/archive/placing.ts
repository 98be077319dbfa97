/* What was extracted comes into its place: by one rename, or, where a directory is there, entry by entry. */

import * as Fs from "node:fs"
import { ArchiveRefused } from "../../ArchiveError.js"
import { type Extraction, finish } from "./extraction.js"
import * as Handle from "./handle.js"
import * as Names from "./names.js"
import type * as Tree from "./tree.js"

/** Where it is, and where it goes. */
export interface Move {
  readonly from: Handle.Directory
  readonly to: Handle.Directory
}

/** Moves a directory of the tree, with its modes and times, to a place where nothing is. */
function* moveDirectory(
  extraction: Extraction,
  { from, to }: Move,
  names: { readonly from: string; readonly to: string },
  node: Tree.DirectoryNode,
  path: ReadonlyArray<string>
): Generator<void> {
  yield* extraction.settle(node, path)
  // It is held open, so that its last mode reaches it and nothing else.
  const handle = Handle.openIn(from, names.from)
  try {
    // A directory that is not writable cannot be moved: its ".." is an entry of it.
    finish(handle, node, true)
    Fs.renameSync(from.at(names.from), to.at(names.to))
    finish(handle, node)
  } finally {
    handle.close()
  }
}

/** Refuses, before anything is moved, what cannot be laid over what is there. */
export function* check(
  node: Tree.DirectoryNode,
  to: Handle.Directory,
  path: ReadonlyArray<string> = []
): Generator<void> {
  for (const [name, entry] of node.entries) {
    yield
    const there = Handle.lookAt(to, name)
    if (there === undefined) continue
    const member = Names.shown([...path, name].join("/"))
    if (entry._tag !== "Directory") {
      if (there.isDirectory()) throw new ArchiveRefused({ member, reason: "a directory is in its place" })
      continue
    }
    if (there.isSymbolicLink()) throw new ArchiveRefused({ member, reason: "a symbolic link is in its place" })
    if (!there.isDirectory()) throw new ArchiveRefused({ member, reason: "a file is in its place" })
    const inner = Handle.openIn(to, name)
    try {
      yield* check(entry, inner, [...path, name])
    } finally {
      inner.close()
    }
  }
}

/** Lays the tree over a directory that is there: what it has, and the tree has not, stays as it is. */
export function* merge(
  extraction: Extraction,
  { from, to }: Move,
  node: Tree.DirectoryNode = extraction.root,
  path: ReadonlyArray<string> = []
): Generator<void> {
  for (const [name, entry] of node.entries) {
    yield
    if (entry._tag !== "Directory") {
      Fs.renameSync(from.at(name), to.at(name))
      continue
    }
    const inner = [...path, name]
    if (Handle.lookAt(to, name) === undefined) {
      yield* moveDirectory(extraction, { from, to }, { from: name, to: name }, entry, inner)
      continue
    }
    const source = Handle.openIn(from, name)
    try {
      const target = Handle.openIn(to, name)
      try {
        yield* merge(extraction, { from: source, to: target }, entry, inner)
      } finally {
        target.close()
      }
    } finally {
      source.close()
    }
  }
}

/** Gives the whole tree the name that it was meant to have. */
export const moveTree = (
  extraction: Extraction,
  move: Move,
  names: { readonly from: string; readonly to: string }
): Generator<void> => moveDirectory(extraction, move, names, extraction.root, [])

/** What a directory that is there has at a path, looked at component by component and never through a link. */
export const existingIn =
  (directory: Handle.Directory): Tree.Existing =>
  (path) => {
    let current = Handle.openWithin(directory, [])
    try {
      for (const [index, name] of path.entries()) {
        const stat = Handle.lookAt(current, name)
        if (stat === undefined) return "missing"
        if (stat.isSymbolicLink()) return "link"
        if (!stat.isDirectory()) return "other"
        if (index === path.length - 1) return "directory"
        const above = current
        current = Handle.openIn(above, name)
        above.close()
      }
      return "directory"
    } finally {
      current.close()
    }
  }
