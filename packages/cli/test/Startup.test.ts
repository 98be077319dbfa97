import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"

const packages = fileURLToPath(new URL("../..", import.meta.url))
const program = `${packages}cli/src/program.ts`

// What is bound at a file's own top: `import type` and what stands in a function cost a program nothing when it starts.
const statically = /^(?:import|export) (?!type)(?:[^"]*? from )?"([^"]+)"/gm
const ever = /(?:^(?:import|export) (?!type)(?:[^"]*? from )?|import\()"([^"]+)"/gm

const fileOf = (from: string, specifier: string): string | undefined => {
  const ours = /^@bottle\/([^/]+)\/(.+)$/.exec(specifier)
  if (ours !== null) return `${packages}${ours[1]}/src/${ours[2]}.ts`
  return specifier.startsWith(".") ? Path.resolve(Path.dirname(from), specifier.replace(/\.js$/, ".ts")) : undefined
}

const reached = (imports: RegExp, from = program): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  const visit = (file: string): void => {
    const name = file.slice(packages.length)
    if (found.has(name)) return
    const text = Fs.readFileSync(file, "utf8")
    found.set(name, text)
    for (const [, specifier = ""] of text.matchAll(imports)) {
      const next = fileOf(file, specifier)
      if (next !== undefined) visit(next)
    }
  }
  visit(from)
  return found
}

it("loads no subcommand, no runtime and no bottles before a line asks for them", () => {
  const early = [...reached(statically).keys()]
  expect(early).toContain("cli/src/Main.ts")
  expect(early).toContain("cli/src/Commands.ts")
  expect(
    early.filter((file) => /^cli\/src\/commands\/|^(?:docker|local)\/|^engine\/src\/Bottles\.ts$/.test(file))
  ).toEqual([])
  expect(early).not.toContain("smolvm/src/Smolvm.ts")
})

it("loads what takes a trace for a trace only", () => {
  for (const from of ["commands/Run", "commands/Up", "commands/Plan", "KeeperMain"]) {
    expect(
      [...reached(statically, `${packages}cli/src/${from}.ts`).keys()].filter((file) => /\/Trace\w/.test(file))
    ).toEqual([])
    expect([...reached(ever, `${packages}cli/src/${from}.ts`).keys()]).toContain("cli/src/TraceSpans.ts")
  }
})

it("makes no codec of a schema before it is used", () => {
  const late = reached(ever)
  expect([...late.keys()]).toContain("cli/src/commands/Ls.ts")
  expect([...late.keys()]).toContain("engine/src/internal/keeper/wire.ts")
  const made = /^(?:export )?const \w+(?:: [^=]+)? =\s+Schema\.(?:decode|encode)\w*\(/m
  expect([...late].filter(([, text]) => made.test(text)).map(([file]) => file)).toEqual([])
})
