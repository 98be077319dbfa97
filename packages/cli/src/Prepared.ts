/**
 * What a request becomes on its way to a bottle: the options that are planned, and beside the plan the values that it
 * names and must not hold. `run`, `up` and `plan` go through here.
 *
 * @since 0.1.0
 */
import type { Given } from "@bottle/engine/Launch"
import type { LaunchOptions } from "@bottle/engine/LaunchOptions"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as PolicyFile from "./PolicyFile.js"
import type { RunRequest } from "./RunRequest.js"

/**
 * What a request asks of a launch, with every file read that it names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const options = (request: RunRequest): Effect.Effect<LaunchOptions, PolicyFile.PolicyFileError, FileSystem> =>
  PolicyFile.applied(request)

/**
 * What a launch is given beside its plan. It is asked for when the plan stands, so that nothing is run or read on the
 * host for a launch that is refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const given = (request: RunRequest, _plan: LaunchPlan): Effect.Effect<Pick<Given, "secrets">> =>
  Effect.succeed({ secrets: request.secrets })
