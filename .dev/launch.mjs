// Starts the bundle in this very process, so that signals, descriptors and the exit code are the command's own, after
// making it where it is missing or stale.
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { isFresh, root } from "../packages/cli/scripts/stamp.mjs"

const BUNDLE = path.join(root, "packages/cli/dist/bottle.mjs")

const PARENT_LOOK_MILLIS = 500

/** npm passes SIGINT and SIGTERM on, but takes nothing down when it is killed otherwise: then it hangs up on us. */
const endWithParent = () => {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, "SIGHUP")
  }, PARENT_LOOK_MILLIS)
  timer.unref()
}

export const start = async (args) => {
  if (!isFresh()) {
    const { ensureBuilt } = await import("./workspace.mjs")
    try {
      await ensureBuilt((line) => process.stderr.write(`bottle: ${line}\n`))
    } catch (error) {
      process.stderr.write(`bottle: ${error.message}\n`)
      process.exitCode = error.exitCode ?? 1
      return
    }
  }
  // npm runs its scripts in the workspace; paths on the command line mean the directory that the user is in.
  if (process.env.npm_lifecycle_event !== undefined && process.env.INIT_CWD !== undefined) {
    process.chdir(process.env.INIT_CWD)
  }
  if (process.env.npm_lifecycle_event !== undefined) endWithParent()
  process.argv = [process.argv[0], BUNDLE, ...args]
  await import(pathToFileURL(BUNDLE).href)
}
