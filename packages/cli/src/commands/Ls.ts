/**
 * `bottle ls`: the bottles that live or left something, and with `-a` those that have a record.
 *
 * @since 0.1.0
 */
import { Bottles, type ListedBottle } from "@bottle/engine/Bottles"
import * as Directories from "@bottle/engine/Directories"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as Ledger from "@bottle/engine/Ledger"
import * as RecordStore from "@bottle/engine/RecordStore"
import type { Runtimes } from "@bottle/engine/Runtimes"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as BottleRow from "../BottleRow.js"
import * as Columns from "../Columns.js"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as MachineStates from "../MachineStates.js"
import type { ListRequest } from "../requests/ListRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/**
 * The document of a list.
 *
 * @since 0.1.0
 * @category models
 */
export const ListDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  bottles: Schema.Array(BottleRow.BottleRow).annotations({ description: "The bottles, the youngest first" })
})

/** Who waits for a hundred plans reads some of them at once. */
const READ_CONCURRENCY = 16

const readPlan = ({ status, view }: ListedBottle): Effect.Effect<LaunchPlan | null, never, FileSystem> =>
  status === null ? Effect.orElseSucceed(Ledger.plan(view), () => null) : Effect.succeed(null)

const machinesOf = (listed: ReadonlyArray<ListedBottle>): ReadonlyArray<MachineStates.Asked> =>
  listed.flatMap(({ view: { claim } }) =>
    claim === null ? [] : [{ machine: claim.machine, runtime: claim.runtime, places: claim.places }]
  )

const rowsOf = ({ all, format, idsOnly }: ListRequest) =>
  Effect.gen(function* () {
    const bottles = yield* Bottles
    const listed = yield* bottles.list
    const asked = idsOnly && format === "text" ? [] : machinesOf(listed)
    const states = yield* MachineStates.ask(asked)
    const { epochMillis: nowMillis } = yield* DateTime.now
    const living = yield* Effect.forEach(
      listed,
      (one) =>
        Effect.map(readPlan(one), (plan) =>
          BottleRow.fromListed(one, { plan, machine: states.get(one.view.claim?.machine ?? "") ?? null, nowMillis })
        ),
      { concurrency: READ_CONCURRENCY }
    )
    if (!all) return living
    const { environment } = yield* Invocation
    const ids = new Set<string>(listed.map(({ id }) => id))
    const records = yield* RecordStore.list(Directories.fromEnvironment(environment))
    const down = records.filter(({ id }) => !ids.has(id)).map((record) => BottleRow.fromRecord(record, nowMillis))
    return [...living, ...down]
  })

const byAge = (left: BottleRow.BottleRow, right: BottleRow.BottleRow): number =>
  (left.ageMillis ?? 0) - (right.ageMillis ?? 0) || (left.id < right.id ? -1 : 1)

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(ListDocument)))

const hint = (all: boolean): string =>
  all
    ? "bottle: there is no bottle, and no record of one; bottle up launches one"
    : "bottle: no bottle is up; bottle up launches one, and bottle ls -a lists those that were"

const print = (request: ListRequest) =>
  Effect.gen(function* () {
    const { all, format, idsOnly } = request
    const rows = (yield* rowsOf(request)).toSorted(byAge)
    if (format === "json") {
      yield* Stdio.outputText(encode({ version: 1, bottles: rows }))
    } else if (rows.length === 0) {
      if (!idsOnly) yield* Stdio.errorLine(hint(all))
    } else {
      const lines = idsOnly
        ? rows.map(({ id }) => id)
        : Columns.render([BottleRow.titles, ...rows.map(BottleRow.cells)])
      yield* Stdio.outputText(lines.join("\n"))
    }
    return ExitStatus.success
  })

/**
 * Prints the list and gives the exit code, 0 also where there is nothing to list. A bottle whose owner or runtime does
 * not answer within a second is in it all the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ls = (
  request: ListRequest
): Effect.Effect<number, never, Bottles | Runtimes | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.scoped(print(request)).pipe(
    Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
  )
