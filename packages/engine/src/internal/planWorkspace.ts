import * as Either from "effect/Either"
import type { OptionRefused } from "../LaunchError.js"
import type { LaunchOptions, Mount } from "../LaunchOptions.js"
import type { PlanInput, PlannedWorkspace } from "../LaunchPlan.js"
import { refuse } from "./planChecks.js"
import { placeOf, treeOf } from "./workspace/places.js"

/** Where a command finds what it works on. */
export const GUEST_WORKSPACE = "/workspace"

/**
 * The options, with a workspace that is no copy as the mount that it is: what is asked of mounts is asked of it. Commands
 * begin in a workspace, unless they are told otherwise.
 */
export const withWorkspace = (options: LaunchOptions): LaunchOptions => {
  const { mounts = [], workdir, workspace } = options
  if (workspace === undefined) return options
  const mount: Mount = { host: workspace.source, guest: GUEST_WORKSPACE, readonly: workspace.mode === "ro" }
  return {
    ...options,
    workdir: workdir ?? GUEST_WORKSPACE,
    mounts: workspace.mode === "copy" ? mounts : [...mounts, mount]
  }
}

const isBelow = (path: string, above: string): boolean =>
  path === above || path.startsWith(above === "/" ? "/" : `${above}/`)

/** What is in a copy is the guest's to read and to change: nothing of ours is in it, nor is a copy in itself. */
const checkSource = (source: string, real: (path: string) => string, input: PlanInput) => {
  const { cache, run, state } = input.settings.directories
  const held = [run, state, cache].find(
    (directory) => isBelow(real(directory), real(source)) || isBelow(real(source), real(directory))
  )
  return held === undefined
    ? Either.void
    : refuse(
        "workspace",
        `bottle's own files are in ${source}, or it is in theirs (${held})`,
        "Name another directory."
      )
}

/** The workspace of a plan, and the mount that its copy is. */
export const planWorkspace = (
  input: PlanInput
): Either.Either<
  { readonly workspace: PlannedWorkspace | null; readonly mounts: ReadonlyArray<Mount> },
  OptionRefused
> =>
  Either.gen(function* () {
    const { mounts = [], workspace } = input.options
    if (workspace === undefined) return { workspace: null, mounts: [] }
    if (!workspace.source.startsWith("/")) {
      return yield* refuse("workspace", `${workspace.source} is not absolute`, "Give an absolute path.")
    }
    const taken = mounts.find(({ guest }) => guest.replace(/\/+$/, "") === GUEST_WORKSPACE)
    if (taken !== undefined) {
      return yield* refuse("workspace", `a mount is at ${GUEST_WORKSPACE} already`, "Give the mount another place.")
    }
    const real = (path: string): string => input.realPaths?.get(path) ?? path
    const source = real(workspace.source.length > 1 ? workspace.source.replace(/\/+$/, "") : workspace.source)
    if (workspace.mode !== "copy") return { workspace: { source, mode: workspace.mode, copy: null }, mounts: [] }
    yield* checkSource(source, real, input)
    const copy = treeOf(placeOf(input.settings.directories, input.id))
    return {
      workspace: { source, mode: "copy" as const, copy },
      mounts: [{ host: copy, guest: GUEST_WORKSPACE, readonly: false }]
    }
  })
