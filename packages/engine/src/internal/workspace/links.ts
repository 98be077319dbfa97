import type { Entry } from "./entry.js"

/*
 * Where links lead, by what is known of a tree rather than by following them.
 */

/** No system follows more. */
const LINKS_MAX = 64

/**
 * Whether a link's text leads to somewhere beneath the tree's root, whatever is there now or later: it goes up only from
 * its own directory. What goes up from a name goes up from wherever that leads, if it is a link.
 */
export const staysWithin = (path: string, target: string): boolean => {
  if (target.startsWith("/")) return false
  const parts = target.split("/").filter((part) => part !== "" && part !== ".")
  const name = parts.findIndex((part) => part !== "..")
  const ups = name === -1 ? parts.length : name
  return ups < path.split("/").length && !parts.includes("..", ups)
}

/** Where a path leads by the links of a tree. */
export interface Way {
  /** The links that it passes, and where it ends, if that is in the tree. */
  readonly paths: ReadonlyArray<string>
  readonly leadsOut: boolean
}

/** Where a path leads; what is beneath `source`, where that is given, is of the tree too. */
export const follow = (path: string, entries: ReadonlyMap<string, Entry>, source?: string): Way => {
  const parts = path.split("/")
  // What is known to be there is in directories, not beneath links.
  const sure = entries.has(path) ? parts.length - 1 : 0
  const way = parts.slice(sure).toReversed()
  const paths: Array<string> = []
  let at = parts.slice(0, sure)
  for (let part = way.pop(); part !== undefined; part = way.pop()) {
    if (part === "" || part === ".") continue
    if (part === "..") {
      if (at.pop() === undefined) return { paths, leadsOut: true }
      continue
    }
    at.push(part)
    const entry = entries.get(at.join("/"))
    if (entry?._tag !== "Link") continue
    // One that leads to itself leads nowhere.
    if (paths.length >= LINKS_MAX) return { paths, leadsOut: false }
    paths.push(at.join("/"))
    at.pop()
    let { target } = entry
    if (target.startsWith("/")) {
      if (source === undefined || !target.startsWith(`${source}/`)) return { paths, leadsOut: true }
      target = target.slice(source.length)
      at = []
    }
    way.push(...target.split("/").toReversed())
  }
  return { paths: [...paths, at.join("/")], leadsOut: false }
}
