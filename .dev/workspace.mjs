// Installs and builds the workspace where it is needed, on a machine that has only Node and npm.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { isFresh, root } from "../packages/cli/scripts/stamp.mjs"
import { withLock } from "./lock.mjs"

export const INSTALLED = path.join(root, "node_modules/.bottle-installed")
const TAIL_LINES = 25
const SIGNAL_EXIT = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

/** A step that failed: its message says why, in the words of the program that failed. */
export class StepFailed extends Error {
  constructor(message, exitCode) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The environment of programs that need no registry: without npm's variables, and without what slows every Node. */
export const plainEnvironment = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) && name !== "NODE_EXTRA_CA_CERTS")
  )

// Where packages come from is the machine's own business, and a log outlives the machine.
const withoutHosts = (text) => text.replaceAll(/\b(https?:\/\/)[^\s/"']+/g, "$1...")

const tail = (text) => withoutHosts(text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n"))

/** Runs a program to its end; resolves with its exit code and all it printed, or prints it as it comes. */
export const run = (program, args, { env = plainEnvironment(), stream = false } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      env,
      stdio: ["ignore", stream ? "inherit" : "pipe", stream ? "inherit" : "pipe"]
    })
    const chunks = []
    child.stdout?.on("data", (chunk) => chunks.push(chunk))
    child.stderr?.on("data", (chunk) => chunks.push(chunk))
    const forward = (signal) => child.kill(signal)
    for (const signal of Object.keys(SIGNAL_EXIT)) process.on(signal, forward)
    const settle = () => {
      for (const signal of Object.keys(SIGNAL_EXIT)) process.off(signal, forward)
    }
    child.on("error", (error) => {
      settle()
      reject(new StepFailed(`cannot run ${program}: ${error.message}`, 1))
    })
    child.on("close", (code, signal) => {
      settle()
      resolve({ code: code ?? SIGNAL_EXIT[signal] ?? 1, output: Buffer.concat(chunks).toString() })
    })
  })

const must = async (what, program, args, options) => {
  const { code, output } = await run(program, args, options)
  if (code === 0) return
  const interrupted = Object.values(SIGNAL_EXIT).includes(code)
  throw new StepFailed(
    interrupted ? `${what} was interrupted` : `${what} failed:\n${tail(output)}`,
    interrupted ? code : 1
  )
}

/** What an install was made from: when it is another one, the install is stale. */
export const installedKey = () => {
  const hash = createHash("sha256").update(process.versions.modules)
  const manifests = fs.readdirSync(path.join(root, "packages")).map((name) => `packages/${name}/package.json`)
  for (const file of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ...manifests.sort()]) {
    const full = path.join(root, file)
    if (fs.existsSync(full)) hash.update(file).update(fs.readFileSync(full))
  }
  return hash.digest("hex")
}

const isInstalled = () => {
  try {
    return fs.readFileSync(INSTALLED, "utf8") === installedKey()
  } catch {
    return false
  }
}

const install = async (say) => {
  if (isInstalled()) return
  say("installing the dependencies, once ...")
  const { packageManager } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  // `npm -s` would silence the very message that says why an install failed.
  const env = { ...process.env, npm_config_loglevel: "error", CI: "true" }
  fs.rmSync(INSTALLED, { force: true })
  await must("the install", "npx", ["-y", packageManager, "install", "--frozen-lockfile"], { env })
  fs.writeFileSync(INSTALLED, installedKey())
}

/** Installs the dependencies unless they are as the lockfile says. */
export const ensureInstalled = (say) => withLock(() => install(say))

/** Installs and builds, unless the bundles are as new as their sources. */
export const ensureBuilt = (say) =>
  withLock(async () => {
    // Another first start may have done all the work while this one waited.
    if (isFresh()) return
    await install(say)
    say("building ...")
    await must("the build", process.execPath, ["packages/cli/scripts/bundle.mjs", "--quiet"])
    if (!isFresh()) throw new StepFailed("the sources changed while they were built; run it again", 1)
  })
