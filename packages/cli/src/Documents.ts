/**
 * Every JSON document that the program reads or writes, and its JSON Schema. It knows every command, so only what prints
 * schemas loads it.
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import * as PolicySchema from "@bottle/egress/PolicySchema"
import { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as ManifestSchema from "@bottle/engine/ManifestSchema"
import { ProofRecord } from "@bottle/engine/ProofRecord"
import { BundleLine, Cut, LaunchLine, Lost } from "@bottle/engine/RecordLine"
import * as Schema from "effect/Schema"
import { ApplyDocument } from "./commands/Apply.js"
import { CleanupDocument } from "./commands/Cleanup.js"
import { CommitDocument } from "./commands/Commit.js"
import { ConfigDocument } from "./commands/Config.js"
import { CpDocument } from "./commands/Cp.js"
import { DiffDocument } from "./commands/Diff.js"
import { Diagnosis } from "./Diagnosis.js"
import { DownDocument } from "./commands/Down.js"
import { InitDocument } from "./commands/Init.js"
import { InspectDocument } from "./commands/Inspect.js"
import { ListDocument } from "./commands/Ls.js"
import { PruneDocument } from "./commands/Prune.js"
import { UpDocument } from "./commands/Up.js"
import { VersionDocument } from "./commands/Versions.js"
import { WaitDocument } from "./commands/Wait.js"
import { FailureDocument } from "./Failure.js"
import * as Flags from "./Flags.js"
import * as JsonSchema from "./JsonSchema.js"
import { LogLine } from "./LogLine.js"
import { Notice } from "./Notice.js"
import * as PolicyAnswer from "./PolicyAnswer.js"
import { Report } from "./Report.js"
import { Decision, WatchLine } from "./WatchLines.js"

interface Document {
  readonly title: string
  readonly schema: () => JsonSchema.JsonSchema
}

/** What bottle writes: a later release may add fields. */
const written = <A, I, R>(schema: Schema.Schema<A, I, R>, title: string, description: string) => ({
  title,
  schema: (): JsonSchema.JsonSchema => JsonSchema.make(schema, { title, description }, { open: true })
})

/** What bottle reads is closed: a key that it does not know is refused. */
const read = (title: string, schema: unknown) => ({
  title,
  schema: (): JsonSchema.JsonSchema => ({ ...(typeof schema === "object" ? schema : {}) })
})

/** Each part of a record has a definition of its own, named after the file that it stands in. */
const parts = Schema.Union(
  LaunchPlan,
  ProofRecord,
  EgressEvent,
  LaunchLine.annotations({ identifier: "LaunchLine", description: "A line of launch.jsonl" }),
  BundleLine.annotations({ identifier: "BundleLine", description: "A line of bundle.jsonl" }),
  Cut.annotations({ identifier: "Cut", description: "The last line of a file that would have grown too large" }),
  Lost.annotations({ identifier: "Lost", description: "What stands for lines that came faster than the disk" })
)

/**
 * The documents by the names that `bottle schema` takes.
 *
 * @since 0.1.0
 * @category models
 */
export const documents = {
  manifest: read("Manifest", ManifestSchema.schema),
  policy: read("Policy", PolicySchema.schema),
  plan: written(LaunchPlan, "Launch plan", "What plan and --dry-run print: the very value that a launch executes"),
  event: written(EgressEvent, "Event", "A line of decisions.jsonl: one decision of the proxy, or the end of one"),
  record: written(
    parts,
    "Record",
    "The JSON of a bottle's record: plan.json and proof.json, and each line of decisions.jsonl, launch.jsonl and bundle.jsonl"
  ),
  error: written(FailureDocument, "Error", "What stands for a failure under --format json"),
  report: written(Report, "Report", "What run --report writes"),
  notice: written(Notice, "Notice", "What is told beside the outcome, one line of standard error each"),
  up: written(UpDocument, "Up", "What up prints"),
  cp: written(CpDocument, "Copy", "What cp prints"),
  logs: written(LogLine, "Log line", "A line that logs prints"),
  ls: written(ListDocument, "List", "What ls prints"),
  inspect: written(InspectDocument, "Bottle", "What inspect prints"),
  down: written(DownDocument, "Down", "What down prints"),
  wait: written(WaitDocument, "Wait", "What wait prints"),
  commit: written(CommitDocument, "Commit", "What commit prints"),
  prune: written(PruneDocument, "Prune", "What prune prints"),
  cleanup: written(CleanupDocument, "Cleanup", "What cleanup prints"),
  doctor: written(Diagnosis, "Doctor", "What doctor prints"),
  diff: written(DiffDocument, "Diff", "What diff prints"),
  apply: written(ApplyDocument, "Apply", "What apply prints"),
  init: written(InitDocument, "Init", "What init prints"),
  config: written(ConfigDocument, "Configuration", "What config prints"),
  "policy-check": written(PolicyAnswer.CheckDocument, "Policy check", "What policy check prints"),
  "policy-explain": written(PolicyAnswer.ExplainDocument, "Policy explanation", "What policy explain prints"),
  "policy-watch": written(WatchLine, "Policy watch", "A line that policy watch prints"),
  "policy-decision": {
    title: "Policy decision",
    schema: () =>
      JsonSchema.make(
        Decision,
        { title: "Policy decision", description: "A line that policy watch --format json reads: allow this" },
        { open: false }
      )
  },
  version: written(VersionDocument, "Versions", "What --version --format json prints")
} satisfies Record<(typeof Flags.documents)[number], Document>

/**
 * The name of a document.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = keyof typeof documents

/**
 * Whether a word names a document.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isName = (word: string): word is Name => Object.hasOwn(documents, word)

/**
 * Every name, in the order of the help.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<Name> = Flags.documents

/**
 * The JSON Schema of a document, laid out.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toText = (name: Name): string => JSON.stringify(documents[name].schema(), null, 2)
