/**
 * `bottle completion`: the script for a shell, and what such a script asks for while a line is written.
 *
 * @since 0.1.0
 */
import * as AgentPresets from "@bottle/engine/AgentPresets"
import * as Directories from "@bottle/engine/Directories"
import * as Ledger from "@bottle/engine/Ledger"
import * as Record from "@bottle/engine/Record"
import * as BottleId from "@bottle/engine/BottleId"
import * as Nearest from "@bottle/egress/Nearest"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Bash from "../completions/Bash.js"
import * as Fish from "../completions/Fish.js"
import * as Zsh from "../completions/Zsh.js"
import { ExitStatus } from "../ExitStatus.js"
import * as Flags from "../Flags.js"
import type { Format } from "../FlagValues.js"
import * as Help from "../Help.js"
import { Invocation } from "../Invocation.js"
import * as ManifestFile from "../ManifestFile.js"
import * as ManifestPlace from "../ManifestPlace.js"
import * as Printable from "../Printable.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { UsageError } from "../UsageError.js"

/**
 * Which script or list, as it was written.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompletionRequest {
  readonly asked: string
  readonly format: Format
}

const scripts: Readonly<Record<string, () => string>> = {
  bash: Bash.script,
  zsh: () => Zsh.script(Help.summaries),
  fish: () => Fish.script(Help.summaries)
} satisfies Record<(typeof Flags.shells)[number], () => string>

type Listing = Effect.Effect<ReadonlyArray<string>, never, Invocation | FileSystem.FileSystem>

const directories = Effect.map(Invocation, ({ environment }) => Directories.fromEnvironment(environment))

/** Ids and names of what has a ledger. Nobody is asked how it is: that takes as long as whoever does not answer. */
const bottles: Listing = Effect.flatMap(directories, (where) => Ledger.list(where)).pipe(
  Effect.map((views) =>
    views.flatMap(({ claim, id }): ReadonlyArray<string> => [id, ...(claim?.name ? [claim.name] : [])])
  ),
  Effect.orElseSucceed(() => [])
)

const isId = Schema.is(BottleId.BottleId)

/** Those, and the ids of what is down and has a record. */
const records: Listing = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(Record.directoryOf(yield* directories)), () => [])
  return [...(yield* bottles), ...names.filter(isId)]
})

/** Of the manifest that a launch without `--manifest` would take; of one that is refused, what bottle knows itself. */
const manifest = Effect.gen(function* () {
  const place = yield* ManifestPlace.find(Option.none(), yield* Invocation)
  if (place === null) return { bottles: [], agents: [] }
  const { manifest } = yield* ManifestFile.read(place.file)
  return { bottles: Object.keys(manifest.bottles ?? {}), agents: Object.keys(manifest.agents ?? {}) }
}).pipe(Effect.orElseSucceed(() => ({ bottles: [], agents: [] })))

const lists: Readonly<Record<string, Listing>> = {
  bottles,
  records,
  "manifest-bottles": Effect.map(manifest, ({ bottles }) => bottles),
  "manifest-agents": Effect.map(manifest, ({ agents }) => [...Object.keys(AgentPresets.presets), ...agents])
} satisfies Record<(typeof Flags.lists)[number], Listing>

const textOf = (asked: string): Effect.Effect<string, UsageError, Invocation | FileSystem.FileSystem> => {
  const script = Object.hasOwn(scripts, asked) ? scripts[asked] : undefined
  if (script !== undefined) return Effect.sync(script)
  const list = Object.hasOwn(lists, asked) ? lists[asked] : undefined
  if (list !== undefined) return Effect.map(list, (words) => [...new Set(words)].toSorted().join("\n"))
  const meant = Nearest.nearest(asked.toLowerCase(), Flags.shells) ?? Flags.shells.join("|")
  return new UsageError({
    problem: `there are no completions for "${Printable.line(asked, 64)}"`,
    advice: `bottle completion ${meant}`
  })
}

/**
 * Prints the script or the list, and gives the exit code. A list that cannot be made is empty.
 *
 * @since 0.1.0
 * @category constructors
 */
export const completion = ({
  asked,
  format
}: CompletionRequest): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const text = yield* textOf(asked)
    if (text !== "") yield* Stdio.outputText(text)
    return ExitStatus.success
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format, jsonOn: "stdout" })))
