// Writes the JSON Schema of each document as `bottle schema` prints it: `node packages/cli/scripts/schemas.mjs`, after
// scripts/bundle.mjs; then `npx oxfmt docs/reference`. A test holds the files to the code.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { root } from "./stamp.mjs"

const bottle = path.join(root, "packages/cli/dist/bottle.mjs")
const run = (...args) => execFileSync(process.execPath, [bottle, ...args], { encoding: "utf8" })

// The advice for a name that there is none of has them all.
const { failure } = (() => {
  try {
    return JSON.parse(run("schema", "--format", "json", "every-one-of-them"))
  } catch ({ stdout }) {
    return JSON.parse(stdout)
  }
})()
const names = failure.suggestion.replace(/^.*one of /, "").split(", ")
for (const name of names) {
  const file = path.join(root, "docs/reference", `${name}.schema.json`)
  fs.writeFileSync(file, run("schema", name))
  console.log(path.relative(root, file))
}
