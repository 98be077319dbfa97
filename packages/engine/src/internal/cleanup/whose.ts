import type { Directories } from "../../Directories.js"

/**
 * Whose something is that bears the marks of a bottle.
 *
 * - `ours`: its bottle has, or had, its ledger in our state directory
 * - `perhaps`: nothing tells whether it had it there or in that of another one
 * - `theirs`: another state directory's, and never touched
 */
export type Whose = "ours" | "perhaps" | "theirs"

/** Where the bottles of a run directory can have their ledgers in one state directory only. */
const isPrivate = ({ run, state }: Directories): boolean => run.startsWith(`${state}/`)

/** Of a container, a network, or a machine. */
export const byLabels = (directories: Directories, labels: Readonly<Record<string, string>>): Whose => {
  const { "bottle.owner": run, "bottle.state": state } = labels
  if (run === undefined && state === undefined) return "perhaps"
  if (run !== undefined && run !== directories.run) return "theirs"
  if (state !== undefined) return state === directories.state ? "ours" : "theirs"
  // A release that knew no ledgers made it.
  return isPrivate(directories) ? "ours" : "perhaps"
}

/** Of a bottle's own directory, by the link in it. */
export const byMark = (directories: Directories, mark: string | null, ledger: string): Whose => {
  if (mark !== null) return mark === ledger ? "ours" : "theirs"
  return isPrivate(directories) ? "ours" : "perhaps"
}
