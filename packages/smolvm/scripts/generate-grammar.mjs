// Writes src/internal/contract.ts from src/grammar/contract.json: the command grammar of every release line, each distinct
// command once, and what each tag added and removed. Run it after the JSON changes: `node packages/smolvm/scripts/generate-grammar.mjs && npx oxfmt packages/smolvm/src`.
// A module, not an import of the JSON, because Node 20 prints a warning for JSON imports.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const contract = JSON.parse(readFileSync(at("../src/grammar/contract.json"), "utf8"))

const definitions = []
const indexOf = new Map()
const dialects = {}

for (const [line, dialect] of Object.entries(contract.dialects)) {
  const commands = {}
  for (const [name, definition] of Object.entries(dialect.commands)) {
    const key = JSON.stringify(definition)
    if (!indexOf.has(key)) {
      indexOf.set(key, definitions.length)
      definitions.push(definition)
    }
    commands[name] = indexOf.get(key)
  }
  dialects[line] = { groups: dialect.commandGroups, commands, sameGrammarRange: dialect.sameGrammarRange }
}

const deltas = contract.grammarDeltasAllTags.map(({ tag, ...delta }) => ({ version: tag.replace(/^v/, ""), ...delta }))

const text = `// Written by scripts/generate-grammar.mjs from src/grammar/contract.json. Do not edit.
import type { Contract } from "./contractTypes.js"

/** The grammar of every release line (\`commands\` are indices into \`definitions\`), and what changed at each tag. */
export const contract: Contract = ${JSON.stringify({ definitions, dialects, deltas }, null, 2)}
`
writeFileSync(at("../src/internal/contract.ts"), text)
