/**
 * What `bottle doctor` found: checks, the verdict on each, and how they are told.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Printable from "./Printable.js"

const Isolation = Schema.Literal("microvm", "namespaces")

/**
 * One thing that was looked at.
 *
 * - `id`: the same in every release; `group` is what it is about, and `name` what people call it
 * - `verdict`: `ok`; `missing` when no bottle runs without it; `optional` when something runs without it
 * - `fix`: what to do, null when there is nothing to
 *
 * @since 0.1.0
 * @category models
 */
export class Check extends Schema.Class<Check>("@bottle/cli/Check")(
  {
    id: Schema.String.annotations({ description: "What it is called by programs, the same in every release" }),
    group: Schema.String.annotations({ description: "What it is about" }),
    name: Schema.String.annotations({ description: "What it is called by people" }),
    verdict: Schema.Literal("ok", "missing", "optional").annotations({
      description: "missing: no bottle runs without it; optional: something runs without it"
    }),
    detail: Schema.String.annotations({ description: "What was found" }),
    fix: Schema.NullOr(Schema.String).annotations({ description: "What to do; null where there is nothing to" })
  },
  { description: "One thing that doctor looked at" }
) {}

/**
 * What `doctor --format json` prints. `ok` says whether a bottle can run here, and `isolation` with which; `runtime` is
 * null when it does not answer.
 *
 * @since 0.1.0
 * @category models
 */
export class Diagnosis extends Schema.Class<Diagnosis>("@bottle/cli/Diagnosis")(
  {
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    ok: Schema.Boolean.annotations({ description: "Whether a bottle can run here; the exit code is then 0, else 125" }),
    isolation: Schema.Literal("microvm", "namespaces", "none").annotations({
      description: "What a bottle has here: a kernel of its own, namespaces of the host's, or none since none runs"
    }),
    runtime: Schema.NullOr(
      Schema.Struct({
        kind: Schema.Literal("smolvm", "local").annotations({ description: "smolvm, or the embedded runtime" }),
        program: Schema.String.annotations({ description: "The program, as it was configured" }),
        version: Schema.String.annotations({ description: "What it says of its version" }),
        isolation: Isolation.annotations({ description: "What it isolates a bottle with" })
      })
    ).annotations({ description: "The program that runs machines; null when it does not answer" }),
    checks: Schema.Array(Check).annotations({ description: "Everything that was looked at" })
  },
  { description: "What bottle doctor found" }
) {}

/**
 * What was found before it is known which runtime counts.
 *
 * - `need`: which bottles do not run without it: `any`, those of one isolation, or none at all
 * - `brief`: how it is named among others that are well; null for what is not worth naming then
 * - `follows`: findings that explain it: where one of them is not as it should be, people are told of that one only
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly id: string
  readonly group: string
  readonly name: string
  readonly ok: boolean
  readonly need: "any" | typeof Isolation.Type | "none"
  readonly detail: string
  readonly fix: string | null
  readonly brief: string | null
  readonly follows?: ReadonlyArray<string> | undefined
}

/**
 * What a finding is made from.
 *
 * @since 0.1.0
 * @category models
 */
export type Subject = Pick<Finding, "id" | "group" | "name" | "need" | "follows">

/**
 * A thing that is as it should be.
 *
 * @since 0.1.0
 * @category constructors
 */
export const well = (subject: Subject, detail: string, brief: string | null = subject.name): Finding => ({
  ...subject,
  ok: true,
  detail: Printable.line(detail),
  fix: null,
  brief: brief === null ? null : Printable.line(brief)
})

/**
 * A thing that is not there, or not as it should be.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ill = (subject: Subject, detail: string, fix: string): Finding => ({
  ...subject,
  ok: false,
  detail: Printable.line(detail),
  fix: Printable.line(fix),
  brief: null
})

/**
 * The longest that one look may take, in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export const TIMEOUT_MILLIS = 5000

/**
 * A look that cannot hang: what has not answered in its time is not as it should be.
 *
 * @since 0.1.0
 * @category constructors
 */
export const within = <R>(
  subject: Subject,
  fix: string,
  look: Effect.Effect<ReadonlyArray<Finding>, never, R>,
  timeoutMillis: number = TIMEOUT_MILLIS
): Effect.Effect<ReadonlyArray<Finding>, never, R> =>
  look.pipe(
    // What does not heed its interruption goes on by itself.
    Effect.disconnect,
    Effect.timeoutTo({
      duration: timeoutMillis,
      onSuccess: (findings) => findings,
      onTimeout: () => [ill(subject, `no answer within ${timeoutMillis / 1000} s`, fix)]
    }),
    // A sick look must not hide what the others found.
    Effect.catchAllDefect(() => Effect.succeed([ill(subject, "it could not be looked at", fix)]))
  )

/**
 * The verdict on all that was found. `expected` is the isolation of the runtime that was chosen; a finding that only
 * another one needs is `optional`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decide = (
  findings: ReadonlyArray<Finding>,
  runtime: Diagnosis["runtime"],
  expected: typeof Isolation.Type
): Diagnosis => {
  const isNeeded = ({ need }: Finding): boolean => need === "any" || need === expected
  const isOk = runtime !== null && findings.every((finding) => finding.ok || !isNeeded(finding))
  return new Diagnosis({
    version: 1,
    ok: isOk,
    isolation: isOk ? expected : "none",
    runtime,
    checks: findings.map((finding) => {
      const { detail, fix, group, id, name, need, ok } = finding
      const verdict = ok ? "ok" : isNeeded(finding) ? "missing" : "optional"
      const isOthers = verdict === "optional" && (need === "microvm" || need === "namespaces")
      const words = isOthers && fix !== null ? `nothing, unless you want ${others[need]}: ${fix}` : fix
      return new Check({ id, group, name, verdict, detail, fix: words })
    })
  })
}

/** Whose needs do not count where another runtime was chosen. */
const others = { microvm: "a microVM", namespaces: "--runtime local" } as const

/** Whether the local runtime would do where the chosen one does not. */
const wouldLocalDo = (findings: ReadonlyArray<Finding>, { isolation }: Diagnosis): boolean => {
  const own = findings.filter(({ need }) => need === "namespaces")
  const common = findings.filter(({ need }) => need === "any")
  return isolation === "none" && own.length > 0 && [...own, ...common].every(({ ok }) => ok)
}

const COLUMNS = 80
const INDENT = " ".repeat(10)

/** Words on lines of 80 columns, those after the first below the first one's text. */
const wrapped = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && INDENT.length + line.length + 1 + word.length > COLUMNS) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const RED = "\u001b[1;31m"
const YELLOW = "\u001b[33m"
const GREEN = "\u001b[32m"

interface Look {
  readonly colors: boolean
}

const entry = ([mark, color]: readonly [string, string], text: string, { colors }: Look): string => {
  const [first = "", ...rest] = wrapped(text)
  const shown = mark.padEnd(INDENT.length)
  return [`${colors ? `${color}${shown}\u001b[0m` : shown}${first}`, ...rest.map((line) => `${INDENT}${line}`)].join(
    "\n"
  )
}

const conclusions = {
  microvm: "A bottle can run here, in a microVM with a kernel of its own.",
  namespaces: "A bottle can run here, in namespaces, on a kernel shared with this machine.",
  none: "A bottle cannot run here."
} as const

const marks = { missing: ["MISSING", RED], optional: ["optional", YELLOW] } as const

/**
 * The diagnosis for people, at 80 columns: what is missing first, then what only something needs, then a line for each
 * group of what is well, and the conclusion.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (
  findings: ReadonlyArray<Finding>,
  diagnosis: Diagnosis,
  look: Look = { colors: false }
): string => {
  const sick = new Set(findings.filter(({ ok }) => !ok).map(({ id }) => id))
  const explained = new Set(
    findings.filter(({ follows = [] }) => follows.some((id) => sick.has(id))).map(({ id }) => id)
  )
  const problems = (["missing", "optional"] as const).flatMap((verdict) =>
    diagnosis.checks
      .filter((check) => check.verdict === verdict && !explained.has(check.id))
      .flatMap(({ detail, fix, name }) => [
        entry(marks[verdict], `${name}: ${detail}`, look),
        ...(fix === null ? [] : [entry(["", ""], `try: ${fix}`, { colors: false })])
      ])
  )
  const groups = new Map<string, Array<string>>()
  for (const { brief, group, ok } of findings) {
    const briefs = groups.get(group) ?? []
    if (ok && brief !== null && !briefs.includes(brief)) groups.set(group, [...briefs, brief])
  }
  return [
    ...problems,
    ...[...groups].map(([group, briefs]) => entry(["ok", GREEN], `${group}: ${briefs.join(", ")}`, look)),
    ...wouldConclude(findings, diagnosis)
  ].join("\n")
}

const wouldConclude = (findings: ReadonlyArray<Finding>, diagnosis: Diagnosis): ReadonlyArray<string> => [
  conclusions[diagnosis.isolation],
  ...(wouldLocalDo(findings, diagnosis)
    ? ["try: --runtime local, which runs one in namespaces, on this machine's own kernel"]
    : [])
]
