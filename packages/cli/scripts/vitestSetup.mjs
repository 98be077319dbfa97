// The end-to-end tests run the bundle, as a user does: make it anew where the sources have changed.
import { execFileSync } from "node:child_process"
import * as path from "node:path"
import { isFresh, root } from "./stamp.mjs"

export const setup = () => {
  if (isFresh()) return
  execFileSync(process.execPath, [path.join(root, "packages/cli/scripts/bundle.mjs"), "--quiet"], { stdio: "inherit" })
}
