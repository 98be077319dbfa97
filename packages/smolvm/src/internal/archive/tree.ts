/* What an extraction has made, in memory: the only thing that is asked whether something is there, or what it is. */

export interface DirectoryNode {
  readonly _tag: "Directory"
  readonly entries: Map<string, Node>
  mode: number
  /** Undefined where the archive did not name it. */
  mtimeSeconds: number | undefined
}

export interface LinkNode {
  readonly _tag: "Link"
  readonly target: string
  readonly mtimeSeconds: number
}

export type Node = DirectoryNode | LinkNode | { readonly _tag: "File" }

export const FILE: Node = { _tag: "File" }

export const directory = (mode: number): DirectoryNode => ({
  _tag: "Directory",
  entries: new Map(),
  mode,
  mtimeSeconds: undefined
})

/** What the destination already has at a path that the archive does not name. */
export type Existing = (path: ReadonlyArray<string>) => "directory" | "link" | "other" | "missing"

/** As many links as the kernel follows on one way. */
const LINKS_MAX = 40

/** A way that is longer than any path, where links lead to links. */
const STEPS_MAX = 8192

/** How it leads out, or undefined where every way of following it stays below the root. */
export type LeadsOut =
  | "it is absolute"
  | "it leads out of what was copied"
  | "it leads through a link that was there"
  | "it leads through too many links"

/**
 * Follows a link as the kernel will, through the other links of the tree. It must not leave the root even on a part of
 * the way that is missing now: it could be there later.
 */
export const leadsOut = (
  root: DirectoryNode,
  at: ReadonlyArray<string>,
  link: LinkNode,
  existing: Existing
): LeadsOut | undefined => {
  if (link.target.startsWith("/")) return "it is absolute"
  // The way that is left, the next step last; and where it has come to.
  const way = link.target.split("/").reverse()
  const place = at.slice(0, -1)
  const nodes: Array<Node | undefined> = [root]
  for (const name of place) nodes.push(below(nodes.at(-1), name))
  let links = 1
  for (let steps = 0; ; steps++) {
    if (steps > STEPS_MAX) return "it leads through too many links"
    const step = way.pop()
    if (step === undefined) return undefined
    if (step === "" || step === ".") continue
    if (step === "..") {
      if (place.length === 0) return "it leads out of what was copied"
      place.pop()
      nodes.pop()
      continue
    }
    const node = below(nodes.at(-1), step)
    if (node?._tag === "Link") {
      links += 1
      if (links > LINKS_MAX) return "it leads through too many links"
      if (node.target.startsWith("/")) return "it leads out of what was copied"
      way.push(...node.target.split("/").reverse())
      continue
    }
    place.push(step)
    nodes.push(node)
    if (node === undefined && existing(place) === "link") return "it leads through a link that was there"
  }
}

const below = (node: Node | undefined, name: string): Node | undefined =>
  node?._tag === "Directory" ? node.entries.get(name) : undefined
