import * as Capture from "@bottle/process/Capture"
import * as Effect from "effect/Effect"
import type { Deadlines } from "../Deadlines.js"
import * as PackCreate from "../PackCreate.js"
import * as PackInspect from "../PackInspect.js"
import * as PackManifest from "../PackManifest.js"
import * as PackPrune from "../PackPrune.js"
import * as PackPull from "../PackPull.js"
import * as PackPush from "../PackPush.js"
import type { Smolvm } from "../Smolvm.js"
import type { Runner } from "./runner.js"
import { decode } from "./runner.js"
import { plain } from "./tail.js"

type Calls = Pick<
  Smolvm["Type"],
  "packCreate" | "packCreateFromVm" | "packPush" | "packPull" | "packInspect" | "packPrune"
>

/** The calls about packs, but for those that run one. */
export const packCalls = (runner: Runner, deadlines: Deadlines): Calls => ({
  packCreate: (options) =>
    Effect.asVoid(
      runner.execute(
        { command: "pack create", build: (it) => PackCreate.argv(options, it), name: options.fromVm },
        deadlines.packCreate
      )
    ),
  packCreateFromVm: (options) =>
    Effect.asVoid(
      runner.execute(
        { command: "pack create", build: (it) => PackCreate.argvFromVm(options, it), name: options.name },
        deadlines.packCreate
      )
    ),
  packPush: (options) =>
    Effect.asVoid(
      runner.execute({ command: "pack push", build: (it) => PackPush.argv(options, it) }, deadlines.packPush)
    ),
  packPull: (options) =>
    Effect.asVoid(
      runner.execute({ command: "pack pull", build: (it) => PackPull.argv(options, it) }, deadlines.packPull)
    ),
  packInspect: (options) =>
    runner
      .execute({ command: "pack inspect", build: (it) => PackInspect.argv(options, it) }, deadlines.packInspect)
      .pipe(Effect.flatMap(decode(PackManifest.Output))),
  packPrune: (options) =>
    runner
      .execute({ command: "pack prune", build: (it) => PackPrune.argv(options, it) }, deadlines.packPrune)
      .pipe(Effect.map(({ captured }) => plain(Capture.stdoutText(captured)).trim()))
})
