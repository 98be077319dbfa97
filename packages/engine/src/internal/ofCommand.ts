import type { ReapOptions } from "@bottle/smolvm/Reap"
import type { LaunchPlan } from "../LaunchPlan.js"

/** What ends a command of this machine that has this place. */
export const ofCommand = (
  { machine, runtime }: Pick<LaunchPlan, "machine" | "runtime">,
  place: string
): ReapOptions => ({
  name: machine,
  place,
  // The local runtime starts nothing once its client has ended.
  quietMillis: runtime.kind === "local" ? 0 : undefined
})
