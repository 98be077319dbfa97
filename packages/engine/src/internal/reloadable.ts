import type { Policy } from "@bottle/egress/Policy"
import * as Effect from "effect/Effect"
import { ReloadFailed } from "../BundleError.js"

/**
 * Refuses a policy for which a bundle would need a value that it was not given when it was started: of a credential that
 * is new, or that comes from another source. The bundle cannot read it, and what asks for the reload is not to hold it.
 */
export const checkCredentials =
  (launched: Policy) =>
  (next: Policy): Effect.Effect<void, ReloadFailed> => {
    for (const { name, source } of next.credentials.values()) {
      const before = launched.credentials.get(name)
      if (before !== undefined && JSON.stringify(before.source) === JSON.stringify(source)) continue
      return new ReloadFailed({
        reason:
          before === undefined
            ? `the bottle was launched without the credential ${name}, and its value is read at the launch`
            : `the value of the credential ${name} was read from another source at the launch`,
        advice: "Launch another bottle with that policy; the policy before stays in force, with its credentials."
      })
    }
    return Effect.void
  }
