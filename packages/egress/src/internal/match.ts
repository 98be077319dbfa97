import * as Address from "../Address.js"
import type { HttpRequest } from "../Decision.js"
import type * as Host from "../Host.js"
import type { Rule } from "../Rule.js"
import * as Rules from "../Rule.js"
import * as Path from "./path.js"

/** The dot keeps evilexample.com out of *.example.com, and a name is longer than the dot it begins with. */
const isBelow = (name: string, suffix: string): boolean =>
  name.length > suffix.length + 1 && name.endsWith(`.${suffix}`)

/** Whether a rule of `allow` is about the host. */
export const isFor = (rule: Rule, host: Host.Host): boolean => {
  switch (rule.host._tag) {
    case "Exact":
      return host._tag === "Name" && host.name === rule.host.name
    case "Suffix":
      return host._tag === "Name" && isBelow(host.name, rule.host.suffix)
    case "Address":
      return host._tag === "Address" && host.address === rule.host.address
    case "Range":
      return host._tag === "Address" && Address.holds(rule.host.range, host)
  }
}

/** Whether a rule of `deny` is about the host: about an address, also by what the address leads to. */
export const isAgainst = (rule: Rule, host: Host.Host): boolean => {
  if (host._tag === "Name") return isFor(rule, host)
  switch (rule.host._tag) {
    case "Exact":
    case "Suffix":
      return false
    case "Address": {
      const { address, family } = rule.host
      const alone = { text: address, address, family, prefix: family === 4 ? 32 : 128 }
      return Address.touches(alone, host)
    }
    case "Range":
      return Address.touches(rule.host.range, host)
  }
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
