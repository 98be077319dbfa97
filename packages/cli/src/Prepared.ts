/**
 * What a request becomes on its way to a bottle: the options that are planned, and beside the plan the values that it
 * names and must not hold. `run`, `up` and `plan` go through here.
 *
 * @since 0.1.0
 */
import * as Credentials from "@bottle/engine/Credentials"
import type { Given } from "@bottle/engine/Launch"
import { OptionRefused } from "@bottle/engine/LaunchError"
import type { LaunchOptions } from "@bottle/engine/LaunchOptions"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { Invocation } from "./Invocation.js"
import * as ManifestPlace from "./ManifestPlace.js"
import * as PolicyFile from "./PolicyFile.js"
import * as Printable from "./Printable.js"
import type { RunRequest } from "./RunRequest.js"
import * as Stdio from "./Stdio.js"

/**
 * What a request asks of a launch, with every file read that it names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const options = (
  request: RunRequest
): Effect.Effect<
  LaunchOptions,
  PolicyFile.PolicyFileError | ManifestPlace.ManifestInMount | ManifestPlace.ManifestUntrusted | OptionRefused,
  FileSystem
> =>
  checkThere(request).pipe(
    Effect.zipRight(checkManifest(request)),
    Effect.zipRight(Effect.map(PolicyFile.applied(withWorked(request)), withWorkspace(request)))
  )

/** A runtime would say it too, amid all else that it was told to create. */
const checkThere = ({ options: { mounts = [] } }: RunRequest) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem
    for (const { host } of mounts) {
      if (yield* Effect.orElseSucceed(fs.exists(host), () => true)) continue
      const reason = `there is no ${Printable.line(host)}`
      return yield* new OptionRefused({
        option: "mounts",
        reason,
        advice: "Check its name, or make the directory first."
      })
    }
  })

/** A workspace that is changed in place is judged as the writable mount that it is. */
const withWorked = (request: RunRequest): RunRequest => {
  const { options, workspace } = request
  if (workspace?.mode !== "rw") return request
  const worked = { host: workspace.directory, guest: "/workspace", readonly: false }
  return { ...request, options: { ...options, mounts: [...(options.mounts ?? []), worked] } }
}

const withWorkspace =
  ({ options: asked, workspace }: RunRequest) =>
  (applied: LaunchOptions): LaunchOptions =>
    workspace === null
      ? applied
      : { ...applied, mounts: asked.mounts, workspace: { source: workspace.directory, mode: workspace.mode } }

/** Whoever can change the manifest, or a policy that it names, would say what the next bottle is allowed. */
const checkManifest = (request: RunRequest) =>
  Effect.gen(function* () {
    const { file, settings } = request.beginning
    if (file === null) return
    yield* ManifestPlace.checkMounts(file, withWorked(request).options.mounts ?? [])
    const { policy } = settings.single
    if (policy?.origin.kind !== "bottle" || policy.value._tag !== "File") return
    // What is not there is refused where it is read.
    yield* Effect.catchTag(ManifestPlace.checkTrust(policy.value.path), "ManifestUnreadable", () => Effect.void)
  })

const noticeText = (notice: Credentials.Notice): string => {
  switch (notice._tag) {
    case "CommandSlow":
      return `waiting for ${notice.program}, for the credential ${notice.name}: at most ${notice.timeoutMillis / 1000} s`
    case "FileReadable":
      return `other users of this machine can read ${notice.file}, which holds the credential ${notice.name}`
  }
}

/**
 * What a launch is given beside its plan: secrets, and the values of credentials, which are read now. It is asked for when
 * the plan stands, so that nothing is run or read on the host for a launch that is refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const given = (
  { format, quiet, secrets }: Pick<RunRequest, "format" | "quiet" | "secrets">,
  plan: LaunchPlan
): Effect.Effect<
  Required<Pick<Given, "secrets" | "credentials">>,
  Credentials.CredentialUnavailable,
  Invocation | Stdio.Stdio | FileSystem | CommandExecutor
> =>
  Effect.gen(function* () {
    const { environment } = yield* Invocation
    const stdio = yield* Stdio.Stdio
    const tell = (notice: Credentials.Notice) => Stdio.errorLine(`bottle: ${Printable.line(noticeText(notice))}`)
    const credentials = yield* Credentials.forPlan(plan, {
      environment,
      onNotice: (notice) =>
        quiet || format === "json" ? Effect.void : Effect.provideService(tell(notice), Stdio.Stdio, stdio)
    })
    return { secrets, credentials }
  })
