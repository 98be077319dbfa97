// Writes docs/reference/policy.schema.json from the compiled sources: npx tsc -b packages/egress, then this.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { schema } from "../dist/PolicySchema.js"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const file = here("../../../docs/reference/policy.schema.json")

fs.writeFileSync(file, JSON.stringify(schema))
execFileSync(here("../../../node_modules/.bin/oxfmt"), [file], { cwd: here("../../.."), stdio: "inherit" })
