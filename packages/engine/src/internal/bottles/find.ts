import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FindError, FoundBottle } from "../../Bottles.js"
import * as Control from "../../Control.js"
import type { ControlError } from "../../ControlError.js"
import type { Directories } from "../../Directories.js"
import { Runtimes } from "../../Runtimes.js"
import * as Commands from "../commands.js"
import { downView } from "./down.js"
import { foundOf } from "./found.js"
import { kept } from "./kept.js"
import { addressOf, resolve } from "./resolve.js"

/** A bottle that another process holds, as something that can be used. */
export const find = (
  directories: Directories,
  word: string
): Effect.Effect<FoundBottle, FindError | ControlError, Scope.Scope | Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Runtimes | FileSystem.FileSystem>()
    const view = yield* resolve(directories, word)
    const down = Effect.provide(downView(directories, view), context)
    if (view.state === "kept") return yield* kept(directories, view, down)
    const control = yield* Control.connect(addressOf(directories, view))
    // What was executed, which need not be what was decided.
    const { name, plan, proof } = yield* control.describe
    const secrets = plan.guest.secrets.length === 0 ? new Map() : yield* control.secrets
    const smolvm = yield* (yield* Runtimes).smolvm(plan.runtime, view.claim?.places)
    const operations = yield* Commands.operations({
      plan,
      smolvm,
      secrets,
      session: (witness) => control.session({ witness })
    })
    return foundOf({ name, view, plan, proof, control, operations, down })
  })
