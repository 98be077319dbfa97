import type { ReapOptions } from "@bottle/smolvm/Reap"
import type { LaunchPlan } from "../LaunchPlan.js"

/** The quiet of a reap: the local runtime starts nothing once its client has ended. */
export const quietMillis = ({ runtime }: Pick<LaunchPlan, "runtime">): number | undefined =>
  runtime.kind === "local" ? 0 : undefined

/** What ends a command of this machine that has this place. */
export const ofCommand = (plan: Pick<LaunchPlan, "machine" | "runtime">, place: string): ReapOptions => ({
  name: plan.machine,
  place,
  quietMillis: quietMillis(plan)
})
