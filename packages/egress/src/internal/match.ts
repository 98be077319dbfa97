import * as Address from "../Address.js"
import type { HttpRequest } from "../Decision.js"
import type * as Host from "../Host.js"
import type { HostPattern, Rule } from "../Rule.js"
import * as Rules from "../Rule.js"
import * as Path from "./path.js"

/** The dot keeps evilexample.com out of *.example.com, and a name is longer than the dot it begins with. */
const isBelow = (name: string, suffix: string): boolean =>
  name.length > suffix.length + 1 && name.endsWith(`.${suffix}`)

const isName = (pattern: HostPattern, name: string): boolean =>
  pattern._tag === "Exact" ? pattern.name === name : pattern._tag === "Suffix" && isBelow(name, pattern.suffix)

/** Whether a pattern is about this host, for what allows. */
export const allowing = (host: Host.Host): ((pattern: HostPattern) => boolean) => {
  if (host._tag === "Name") return (pattern) => isName(pattern, host.name)
  const { isHeldBy } = Address.compare(host)
  return (pattern) => (pattern._tag === "Address" || pattern._tag === "Range") && isHeldBy(pattern.range)
}

/** Whether a pattern is about this host, for what denies: it is about an address also by what that leads to. */
export const denying = (host: Host.Host): ((pattern: HostPattern) => boolean) => {
  if (host._tag === "Name") return (pattern) => isName(pattern, host.name)
  const { touches } = Address.compare(host)
  return (pattern) => (pattern._tag === "Address" || pattern._tag === "Range") && touches(pattern.range)
}

export const isOnPort = (rule: Rule, port: number): boolean => rule.ports === null || rule.ports.includes(port)

/** What rules that tell requests apart make of one. */
export interface RequestMatch {
  readonly isAllowedBy: (rule: Rule) => boolean
  readonly isDeniedBy: (rule: Rule) => boolean
}

/**
 * Prepares a request for being matched; null is a tunnel. What cannot be told apart, which is what a tunnel holds and a
 * path that has no one form, is allowed by no such rule and denied by each.
 */
export const requesting = (http: HttpRequest | null): RequestMatch => {
  let path: string | undefined | null = null
  // Once for all rules, and not at all where none asks: a path may be as long as a header.
  const pathOf = ({ path: target }: HttpRequest): string | undefined => {
    if (path === null) path = Path.ofTarget(target)
    return path
  }
  const matches = (rule: Rule, otherwise: boolean): boolean => {
    if (!Rules.isHttp(rule)) return true
    if (http === null) return otherwise
    if (rule.methods.length > 0 && !rule.methods.includes(http.method)) return false
    if (rule.paths.length === 0) return true
    const found = pathOf(http)
    return found === undefined ? otherwise : rule.paths.some((pattern) => Path.matches(pattern, found))
  }
  return { isAllowedBy: (rule) => matches(rule, false), isDeniedBy: (rule) => matches(rule, true) }
}
