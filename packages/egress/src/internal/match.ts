import * as Address from "../Address.js"
import type { HttpRequest } from "../Decision.js"
import type * as Host from "../Host.js"
import type { HostPattern, Rule } from "../Rule.js"
import * as Rules from "../Rule.js"
import * as Path from "./path.js"

/** The dot keeps evilexample.com out of *.example.com, and a name is longer than the dot it begins with. */
const isBelow = (name: string, suffix: string): boolean =>
  name.length > suffix.length + 1 && name.endsWith(`.${suffix}`)

/** The addresses of a pattern; nothing for one of names. */
export const rangeOf = (pattern: HostPattern): Address.Cidr | undefined => {
  switch (pattern._tag) {
    case "Exact":
    case "Suffix":
      return undefined
    case "Address":
      return {
        text: pattern.address,
        address: pattern.address,
        family: pattern.family,
        prefix: pattern.family === 4 ? 32 : 128
      }
    case "Range":
      return pattern.range
  }
}

/** Whether the host is the pattern's, for what allows. */
export const isFor = (pattern: HostPattern, host: Host.Host): boolean => {
  switch (pattern._tag) {
    case "Exact":
      return host._tag === "Name" && host.name === pattern.name
    case "Suffix":
      return host._tag === "Name" && isBelow(host.name, pattern.suffix)
    case "Address":
      return host._tag === "Address" && host.address === pattern.address
    case "Range":
      return host._tag === "Address" && Address.holds(pattern.range, host)
  }
}

/** Whether the host is the pattern's, for what denies: an address is, also by what it leads to. */
export const isAgainst = (pattern: HostPattern, host: Host.Host): boolean => {
  if (host._tag === "Name") return isFor(pattern, host)
  const range = rangeOf(pattern)
  return range !== undefined && Address.touches(range, host)
}

export const isOnPort = (rule: Rule, port: number): boolean => rule.ports === null || rule.ports.includes(port)

/** What cannot be told apart is not allowed: a tunnel, and a path that has no one form. */
export const allowsRequest = (rule: Rule, http: HttpRequest | null): boolean => {
  if (!Rules.isHttp(rule)) return true
  if (http === null || (rule.methods.length > 0 && !rule.methods.includes(http.method))) return false
  const path = Path.ofTarget(http.path)
  return rule.paths.length === 0 || (path !== undefined && rule.paths.some((pattern) => Path.matches(pattern, path)))
}

/** What cannot be told apart is denied: a tunnel, and a path that has no one form. */
export const deniesRequest = (rule: Rule, http: HttpRequest | null): boolean => {
  if (!Rules.isHttp(rule) || http === null) return true
  if (rule.methods.length > 0 && !rule.methods.includes(http.method)) return false
  const path = Path.ofTarget(http.path)
  return rule.paths.length === 0 || path === undefined || rule.paths.some((pattern) => Path.matches(pattern, path))
}
