/**
 * A launch plan as people read it.
 *
 * @since 0.1.0
 */
import * as Host from "@bottle/egress/Host"
import * as Policy from "@bottle/egress/Policy"
import type { Rule } from "@bottle/egress/Rule"
import * as Rules from "@bottle/egress/Rule"
import { type LaunchPlan, subnetOf } from "@bottle/engine/LaunchPlan"
import * as Either from "effect/Either"
import * as Printable from "./Printable.js"
import * as ShellQuote from "./ShellQuote.js"

/** Longer words of an argv are scripts; they are the same in every plan and say nothing to a reader. */
const WORD_CHARS_MAX = 160

const isolations = {
  microvm: "microVM, a kernel of its own",
  namespaces: "namespaces, shared kernel"
} as const

const sourceText = (source: LaunchPlan["source"]): string => {
  switch (source._tag) {
    case "Bare":
      return "no image"
    case "Image":
      return `image ${Printable.line(source.reference)}`
    case "Pack": {
      const made = source.madeFrom
      return made === null
        ? `pack ${Printable.line(source.path)}`
        : `pack ${Printable.line(source.path)}, made from image ${Printable.line(made.reference)}`
    }
  }
}

const portsText = ({ host, ports, text }: Rule): string => {
  // A rule whose text names its ports says them already.
  if (text.includes(`${Rules.hostText(host)}:`)) return ""
  return ports === null ? " (every port)" : ` (port${ports.length === 1 ? "" : "s"} ${ports.join(", ")})`
}

const ruleText = (rule: Rule, policy: Policy.Policy): string => {
  const pin = rule.host._tag === "Exact" ? policy.pins.get(rule.host.name) : undefined
  const ranges = rule.addresses.map((range) => range.text).join(", ")
  return [
    `${Printable.line(rule.text)}${portsText(rule)}`,
    ...(Rules.isHttp(rule) ? [", plain HTTP only"] : []),
    ...(pin === undefined ? [] : [` at ${pin.address}`]),
    ...(ranges === "" ? [] : [`, also in ${ranges}`])
  ].join("")
}

/** What a plan may reach, what it may not reach all the same, and through whom. */
const egressSections = (plan: LaunchPlan): ReadonlyArray<readonly [title: string, lines: ReadonlyArray<string>]> => {
  if (plan.bundle._tag === "None") return [["can reach", ["nothing: there is no proxy and no network"]]]
  // A plan's policy was decoded when it was made.
  const policy = Either.getOrElse(Policy.fromDocument(plan.egress), () => Policy.empty)
  const allow = policy.allow.map((rule) => ruleText(rule, policy)).toSorted()
  const { upstream } = policy
  return [
    ["can reach", allow.length === 0 ? ["nothing: no host is allowed"] : allow],
    ["cannot reach, whatever allows it", policy.deny.map((rule) => ruleText(rule, policy)).toSorted()],
    ["through the proxy", upstream === null ? [] : [Host.formatAuthority(upstream.host, upstream.port)]]
  ]
}

const topologies = {
  socket: "through one socket, without any network",
  address: "at its address, and no other"
} as const

const bundleText = ({ bundle }: LaunchPlan): string => {
  switch (bundle._tag) {
    case "None":
      return "none"
    case "Process":
      return `a proxy beside the launch, reached ${topologies.socket}`
    case "Container": {
      const { address } = subnetOf(bundle)
      const image = Printable.line(bundle.image, WORD_CHARS_MAX)
      return `a container of ${image} at ${address}:${bundle.port}, reached ${topologies[bundle.topology]}`
    }
  }
}

const argvText = (argv: ReadonlyArray<string>): string =>
  argv
    .map((word) => (word.length <= WORD_CHARS_MAX ? ShellQuote.word(word) : `<${word.length} characters of script>`))
    .join(" ")

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)]

/**
 * The plan in lines: what runs it, what it may reach, what it sees of the host, and every command in its order. Values
 * of secrets are in no plan, so only their names can be here.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (plan: LaunchPlan, command: ReadonlyArray<string>): string => {
  const { cpus, memMib } = plan.limits
  const limits = [...(cpus === null ? [] : [`${cpus} CPUs`]), ...(memMib === null ? [] : [`${memMib} MiB of memory`])]
  const runtime = plan.runtime
  return [
    `bottle ${plan.id}`,
    `runtime: ${runtime.kind} ${Printable.line(runtime.version)} (${isolations[runtime.isolation]}), ${Printable.line(runtime.program)}`,
    `source: ${sourceText(plan.source)}`,
    `limits: ${limits.length === 0 ? "the runtime's own" : limits.join(", ")}`,
    ...(plan.guest.workdir === null ? [] : [`working directory: ${Printable.line(plan.guest.workdir)}`]),
    `bundle: ${bundleText(plan)}`,
    ...(plan.proof.doubt === null ? [] : [`in doubt: ${Printable.line(plan.proof.doubt)}; the proof decides`]),
    ...egressSections(plan).flatMap(([title, lines]) => section(title, lines)),
    ...section(
      "sees of the host",
      plan.guest.mounts.map(
        (mount) =>
          `${Printable.line(mount.host)} at ${Printable.line(mount.guest)}${mount.readonly ? ", read-only" : ""}`
      )
    ),
    ...section(
      "environment",
      [
        ...plan.guest.env.map(([name, value]) => `${name}=${Printable.line(ShellQuote.word(value), WORD_CHARS_MAX)}`),
        ...plan.guest.secrets.map((name) => `${name} (a secret, from your environment)`)
      ].toSorted()
    ),
    ...section(
      "commands",
      plan.steps.map((step) => `${step.stage}: ${argvText(step.argv)}`)
    ),
    ...(command.length === 0 ? [] : [`then in the bottle: ${argvText(command)}`])
  ].join("\n")
}
