import * as Nearest from "@bottle/egress/Nearest"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { BottleNotFound, type FindError, NameAmbiguous } from "../../Bottles.js"
import type { BottleId } from "../../BottleId.js"
import type { ControlAddress } from "../../Control.js"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"

/** What an id is without its five last characters: the name that it was made from. */
const slugOf = (id: BottleId): string => id.slice(0, -6)

/** The ways in which a word can mean a bottle, the surest first. */
const ways: ReadonlyArray<(word: string, view: Ledger.LedgerView) => boolean> = [
  (word, { id }) => id === word,
  (word, { claim }) => claim?.name === word,
  (word, { id }) => slugOf(id) === word,
  (word, { id }) => id.startsWith(word)
]

/** The bottle that a word means, of all that have a ledger. */
export const resolve = (
  directories: Directories,
  word: string
): Effect.Effect<Ledger.LedgerView, FindError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const views = yield* Ledger.list(directories)
    for (const means of ways) {
      const [found, ...others] = word === "" ? [] : views.filter((view) => means(word, view))
      if (found === undefined) continue
      if (others.length === 0) return found
      return yield* new NameAmbiguous({ name: word, ids: [found, ...others].map(({ id }) => id) })
    }
    const known = views.flatMap(({ claim, id }) => [id, slugOf(id), claim?.name ?? id])
    return yield* new BottleNotFound({ name: word, nearest: Nearest.nearest(word, known) ?? null })
  })

/** Where the control of a bottle is, as its claim says. */
export const addressOf = (directories: Directories, { claim, id }: Ledger.LedgerView): ControlAddress => ({
  id,
  directory: `${claim?.directories.run ?? directories.run}/${id}`
})
