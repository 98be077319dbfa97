import type { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Effect from "effect/Effect"
import type { ProveOptions } from "../../EgressProof.js"
import { EgressUnproven } from "../../ProofError.js"
import type { EgressNotEnforced } from "../../ProofError.js"
import { ProofRecord } from "../../ProofRecord.js"

export const prove = ({
  plan
}: ProveOptions): Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | SmolvmError, Smolvm> =>
  Effect.suspend(() => {
    const record = new ProofRecord({
      version: 1,
      outcome: "unproven",
      reason: null,
      tool: null,
      durationMillis: 0,
      lastEvent: 0,
      probes: []
    })
    return new EgressUnproven({ machine: plan.machine, reason: "no-answer", detail: "", record })
  })
