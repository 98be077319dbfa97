/**
 * A root filesystem out of this machine's own programs, for `docker import`: an image without a registry.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Temp from "./Temp.js"

/**
 * What a root filesystem holds beside `/tmp` and the few files of `/etc` that programs ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Contents {
  /** Programs by name, as this machine's PATH finds them; `node` is the one that runs. They are put into `/bin`. */
  readonly programs: ReadonlyArray<string>
  /** Texts by absolute path. */
  readonly files?: Readonly<Record<string, string>> | undefined
}

/**
 * Writes the root filesystem as a tar file, with the shared libraries that the programs need, and gives the file's path.
 * A program that is not there is a defect. The file goes when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tar = (contents: Contents): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(Temp.directory, (directory) => {
    const staging = Path.join(directory, "root")
    const programs = contents.programs.map((name) => ({ name, path: pathOf(name) }))
    for (const { name, path } of programs) link(path, Path.join(staging, "bin", name))
    const files = { ...etc, ...contents.files }
    for (const [path, text] of Object.entries(files)) write(Path.join(staging, path), text)
    Fs.mkdirSync(Path.join(staging, "tmp"))
    Fs.chmodSync(Path.join(staging, "tmp"), 0o1777)
    const own = [...contents.programs.map((name) => `bin/${name}`), ...Object.keys(files).map(relative), "tmp"]
    const libraries = new Set(programs.flatMap(({ path }) => librariesOf(path)).map(relative))
    const file = Path.join(directory, "root.tar")
    // Links are followed: what a library's name leads to is put where the name is.
    const format = ["--create", "--dereference", "--numeric-owner", "--owner=0", "--group=0", `--file=${file}`]
    ChildProcess.execFileSync("tar", [...format, "-C", staging, ...own, "-C", "/", ...libraries])
    return file
  })

const etc: Readonly<Record<string, string>> = {
  "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
  "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "/etc/nsswitch.conf": "hosts: files dns\n"
}

const relative = (path: string): string => path.slice(1)

const write = (path: string, text: string) => {
  Fs.mkdirSync(Path.dirname(path), { recursive: true })
  Fs.writeFileSync(path, text, { mode: 0o644 })
}

const link = (to: string, at: string) => {
  Fs.mkdirSync(Path.dirname(at), { recursive: true })
  Fs.symlinkSync(to, at)
}

const pathOf = (name: string): string => {
  if (name === "node") return process.execPath
  const directories = (process.env["PATH"] ?? "").split(":").filter((directory) => directory.startsWith("/"))
  const found = directories.map((directory) => Path.join(directory, name)).find((path) => Fs.existsSync(path))
  if (found === undefined) throw new Error(`No program ${name} on PATH`)
  return Fs.realpathSync(found)
}

/** The absolute paths that `ldd` prints: libraries and the loader. A program without any makes it fail. */
const librariesOf = (path: string): ReadonlyArray<string> => {
  const { stdout } = ChildProcess.spawnSync("ldd", [path], { encoding: "utf8" })
  const lines = stdout.split("\n")
  const missing = lines.find((line) => line.includes("=> not found"))
  if (missing !== undefined) throw new Error(`${path} lacks a library: ${missing.trim()}`)
  return lines.flatMap((line) => /(?:=> |^\s+)(\/\S+)/.exec(line)?.[1] ?? [])
}
