/**
 * A launch plan as people read it.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import { type LaunchPlan, type Step, subnetOf } from "@bottle/engine/LaunchPlan"
import * as Either from "effect/Either"
import * as PolicyText from "./PolicyText.js"
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

const egressSections = (plan: LaunchPlan): ReadonlyArray<PolicyText.Section> => {
  if (plan.bundle._tag === "None") return [["can reach", ["nothing: there is no proxy and no network"]]]
  // A plan's policy was decoded when it was made.
  return PolicyText.sections(Either.getOrElse(Policy.fromDocument(plan.egress), () => Policy.empty))
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

/** What a container bundle brings with it. */
const containerLines = ({ bundle }: LaunchPlan): ReadonlyArray<string> => {
  if (bundle._tag !== "Container") return []
  const others = bundle.candidates.length - 1
  const another = others === 0 ? "" : `; where that is taken, one of ${others} others`
  return [
    `network: ${subnetOf(bundle).subnet}, of its own${another}`,
    ...(bundle.build === null
      ? []
      : [`image: built on ${Printable.line(bundle.build.base, WORD_CHARS_MAX)} where it is not there`])
  ]
}

const demands = {
  proven: "the guest must show that it reaches its bundle and nothing else",
  attempted: "the guest tries what it has the programs for; one that leaks is refused"
} as const

const proofLines = ({ proof, runtime }: LaunchPlan): ReadonlyArray<string> => [
  `proof: ${demands[proof.demand]}`,
  ...(proof.doubt === null
    ? []
    : [`in doubt: smolvm ${Printable.line(runtime.version)}: ${Printable.line(proof.doubt)}; the proof alone decides`])
]

const stepText = ({ argv, env, stage }: Step): string =>
  `${stage}: ${argvText([...(env ?? []).map(([name, value]) => `${name}=${value}`), ...argv])}`

const argvText = (argv: ReadonlyArray<string>): string =>
  argv
    .map((word) => (word.length <= WORD_CHARS_MAX ? ShellQuote.word(word) : `<${word.length} characters of script>`))
    .join(" ")

const workspaceLines = ({ workspace }: LaunchPlan): ReadonlyArray<string> => {
  if (workspace === null) return []
  const source = Printable.line(workspace.source)
  const texts = { copy: `a copy of ${source}`, ro: `${source}, read-only`, rw: `${source}, changed in place` }
  return [`workspace: ${texts[workspace.mode]}`]
}

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
    ...workspaceLines(plan),
    `bundle: ${bundleText(plan)}`,
    ...containerLines(plan),
    ...proofLines(plan),
    ...egressSections(plan).flatMap(([title, lines]) => PolicyText.section(title, lines)),
    ...PolicyText.section(
      "sees of the host",
      plan.guest.mounts.map(
        (mount) =>
          `${Printable.line(mount.host)} at ${Printable.line(mount.guest)}${mount.readonly ? ", read-only" : ""}`
      )
    ),
    ...PolicyText.section(
      "environment",
      [
        ...plan.guest.env.map(([name, value]) => `${name}=${Printable.line(ShellQuote.word(value), WORD_CHARS_MAX)}`),
        ...plan.guest.secrets.map((name) => `${name} (a secret, from your environment)`)
      ].toSorted()
    ),
    ...PolicyText.section("commands", plan.steps.map(stepText)),
    ...(command.length === 0 ? [] : [`then in the bottle: ${argvText(command)}`])
  ].join("\n")
}
