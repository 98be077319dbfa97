/**
 * A launch plan as people read it.
 *
 * @since 0.1.0
 */
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
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

const egressText = (plan: LaunchPlan): ReadonlyArray<string> => {
  if (plan.bundle._tag === "None") return ["nothing: there is no proxy and no network"]
  const { allow, resolve } = plan.egress
  if (allow.length === 0) return ["nothing: no host is allowed"]
  const rules = allow.map((rule) => {
    const text = typeof rule === "string" ? rule : rule.host
    const host = text.replace(/:[0-9]+$/, "")
    const ports = text === host ? " (ports 80, 443)" : ""
    const address = resolve?.[host]
    const ranges = typeof rule === "string" ? "" : `, also in ${(rule.addresses ?? []).join(", ")}`
    return `${Printable.line(text)}${ports}${address === undefined ? "" : ` at ${Printable.line(address)}`}${ranges}`
  })
  return rules.toSorted()
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
    ...section("can reach", egressText(plan)),
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
