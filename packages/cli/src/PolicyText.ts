/**
 * A policy as people read it.
 *
 * @since 0.1.0
 */
import * as Credential from "@bottle/egress/Credential"
import * as Host from "@bottle/egress/Host"
import type { Policy } from "@bottle/egress/Policy"
import type { Rule } from "@bottle/egress/Rule"
import * as Rules from "@bottle/egress/Rule"
import * as Credentials from "@bottle/engine/Credentials"
import * as Printable from "./Printable.js"

/**
 * A title, and the lines below it.
 *
 * @since 0.1.0
 * @category models
 */
export type Section = readonly [title: string, lines: ReadonlyArray<string>]

const portsText = ({ host, ports, text }: Rule): string => {
  // A rule whose text names its ports says them already.
  if (text.includes(`${Rules.hostText(host)}:`)) return ""
  return ports === null ? " (every port)" : ` (port${ports.length === 1 ? "" : "s"} ${ports.join(", ")})`
}

const ruleText = (rule: Rule, policy: Policy): string => {
  const pin = rule.host._tag === "Exact" ? policy.pins.get(rule.host.name) : undefined
  const ranges = rule.addresses.map((range) => range.text).join(", ")
  return [
    `${Printable.line(rule.text)}${portsText(rule)}`,
    ...(Rules.isHttp(rule) ? [", plain HTTP only"] : []),
    ...(pin === undefined ? [] : [` at ${pin.address}`]),
    ...(ranges === "" ? [] : [`, also in ${ranges}`])
  ].join("")
}

/** Where the value comes from, and never the value. */
const credentialText = (credential: Credential.Credential): string => {
  const { baseUrlVariable, header, methods, name, paths, placeholderVariable, source, upstream } = credential
  const use = [...(methods.length === 0 ? [] : [methods.join(", ")]), ...(paths.length === 0 ? [] : [paths.join(", ")])]
  const has = [
    ...(baseUrlVariable === null ? [] : [`its base URL in ${baseUrlVariable}`]),
    ...(placeholderVariable === null ? [] : [`a placeholder in ${placeholderVariable}`])
  ]
  return Printable.line(
    [
      `${name}: the header ${header} for ${Credential.upstreamText(upstream)}, from ${Credentials.sourceText(source)}`,
      ...(use.length === 0 ? [] : [`only ${use.join(" ")}`]),
      ...(has.length === 0 ? [] : [`the guest has ${has.join(" and ")}`])
    ].join("; ")
  )
}

/**
 * What a policy lets a guest reach, what it uses without holding it, what it may not reach all the same, and through whom.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sections = (policy: Policy): ReadonlyArray<Section> => {
  const allow = policy.allow.map((rule) => ruleText(rule, policy)).toSorted()
  const { upstream } = policy
  return [
    ["can reach", allow.length === 0 ? ["nothing: no host is allowed"] : allow],
    ["credentials that stay in the bundle", [...policy.credentials.values()].map(credentialText)],
    ["cannot reach, whatever allows it", policy.deny.map((rule) => ruleText(rule, policy)).toSorted()],
    ["through the proxy", upstream === null ? [] : [Host.formatAuthority(upstream.host, upstream.port)]]
  ]
}

/**
 * The lines of a section, indented below its title; none of one that has none.
 *
 * @since 0.1.0
 * @category conversions
 */
export const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)]
