import * as Survivors from "@bottle/testing/Survivors"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url))

const copied = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".dev", "docs/reference/errors.md"]

/** A checkout of its own, installed but not built. */
class Checkout {
  readonly root = Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "bottle-start-"))

  constructor() {
    for (const name of copied) Fs.cpSync(Path.join(ROOT, name), this.path(name), { recursive: true })
    for (const name of Fs.readdirSync(Path.join(ROOT, "packages"))) {
      const from = Path.join(ROOT, "packages", name)
      const to = this.path("packages", name)
      Fs.mkdirSync(to, { recursive: true })
      for (const part of ["package.json", "Dockerfile", "src", "scripts"]) {
        if (Fs.existsSync(Path.join(from, part)))
          Fs.cpSync(Path.join(from, part), Path.join(to, part), { recursive: true })
      }
      Fs.symlinkSync(Path.join(from, "node_modules"), Path.join(to, "node_modules"))
    }
    Fs.mkdirSync(this.path("node_modules"))
    for (const name of Fs.readdirSync(Path.join(ROOT, "node_modules"))) {
      if (!name.startsWith(".bottle"))
        Fs.symlinkSync(Path.join(ROOT, "node_modules", name), this.path("node_modules", name))
    }
    const script = `import { INSTALLED, installedKey } from "${this.path(".dev/workspace.mjs")}"
      import { writeFileSync } from "node:fs"
      writeFileSync(INSTALLED, installedKey())`
    execFileSync(process.execPath, ["--input-type=module", "-e", script])
  }

  path(...parts: ReadonlyArray<string>): string {
    return Path.join(this.root, ...parts)
  }

  /** What `npm -s start -- ARGS` runs, from another directory. */
  spawn(args: ReadonlyArray<string>, env: Record<string, string> = {}) {
    return spawn(process.execPath, [this.path(".dev/start.mjs"), ...args], {
      cwd: this.root,
      env: { PATH: process.env["PATH"], HOME: this.root, npm_lifecycle_event: "start", INIT_CWD: "/usr", ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
  }

  start(args: ReadonlyArray<string>, env: Record<string, string> = {}) {
    const child = this.spawn(args, env)
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk) => (stdout += String(chunk)))
    child.stderr.on("data", (chunk) => (stderr += String(chunk)))
    return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      child.on("close", (code) => resolve({ code, stdout, stderr }))
    })
  }

  /** Everything that an install, a build or their lock could have left. */
  litter(): ReadonlyArray<string> {
    const directories = [this.path("node_modules"), this.path("packages/cli/dist"), this.path("packages/local/dist")]
    return directories
      .flatMap((directory) => (Fs.existsSync(directory) ? Fs.readdirSync(directory) : []))
      .filter((name) => name.startsWith(".bottle-lock") || /\.mjs\.[0-9]+\.tmp$/.test(name))
  }
}

const inCheckout = async (use: (checkout: Checkout) => Promise<void>): Promise<void> => {
  const checkout = new Checkout()
  try {
    await use(checkout)
    assert.deepStrictEqual(checkout.litter(), [])
  } finally {
    Fs.rmSync(checkout.root, { recursive: true, force: true })
  }
}

const VERSION = "0.1.0\n"

describe("npm start", () => {
  it("builds what is missing or stale and nothing else, and keeps standard output the command's own", () =>
    inCheckout(async (checkout) => {
      const bundle = checkout.path("packages/cli/dist/bottle.mjs")
      const first = await checkout.start(["--version"])
      assert.deepStrictEqual(first, { code: 0, stdout: VERSION, stderr: "bottle: building ...\n" })
      const built = Fs.statSync(bundle).mtimeMs
      const second = await checkout.start(["--version"])
      assert.deepStrictEqual(second, { code: 0, stdout: VERSION, stderr: "" })
      assert.strictEqual(Fs.statSync(bundle).mtimeMs, built)

      const source = checkout.path("packages/cli/src/Version.ts")
      Fs.writeFileSync(source, Fs.readFileSync(source, "utf8").replace(`"0.1.0"`, `"0.1.0-changed"`))
      const changed = await checkout.start(["--version"])
      assert.deepStrictEqual(changed, { code: 0, stdout: "0.1.0-changed\n", stderr: "bottle: building ...\n" })

      // Relative paths mean the directory that the user is in.
      const plan = await checkout.start(["plan", "-v", "share:/share:ro", "--format", "json"])
      assert.strictEqual(plan.code, 0, plan.stderr)
      assert.strictEqual(JSON.parse(plan.stdout).guest.mounts[0].host, "/usr/share")
      const failed = await checkout.start(["run", "--nope"])
      assert.strictEqual(failed.code, 2)
    }))

  it("says why a build fails, and works again when that is mended", () =>
    inCheckout(async (checkout) => {
      const source = checkout.path("packages/cli/src/Version.ts")
      const right = Fs.readFileSync(source, "utf8")
      Fs.writeFileSync(source, "export const VERSION = = 1\n")
      const failed = await checkout.start(["--version"])
      assert.strictEqual(failed.code, 1)
      assert.strictEqual(failed.stdout, "")
      assert.match(failed.stderr, /bottle: the build failed:\n[^]*Version\.ts/)
      Fs.writeFileSync(source, right)
      assert.strictEqual((await checkout.start(["--version"])).stdout, VERSION)
    }))

  it("builds once for starts that come together", () =>
    inCheckout(async (checkout) => {
      const all = await Promise.all(Array.from({ length: 4 }, () => checkout.start(["--version"])))
      for (const { code, stdout } of all) assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: VERSION })
      const told = all.filter(({ stderr }) => stderr.includes("building"))
      assert.lengthOf(told, 1)
    }))

  it("is not misled by a start that was killed half-way", () =>
    inCheckout(async (checkout) => {
      const child = checkout.spawn(["--version"])
      await new Promise<void>((resolve) => child.stderr.once("data", () => resolve()))
      const ended = new Promise<void>((resolve) => child.on("close", () => resolve()))
      child.kill("SIGKILL")
      await ended
      const next = await checkout.start(["--version"])
      assert.deepStrictEqual(next, { code: 0, stdout: VERSION, stderr: "bottle: building ...\n" })
    }))

  it("takes its bottle down when npm is killed", () =>
    inCheckout(async (checkout) => {
      const command = [
        process.execPath,
        checkout.path(".dev/start.mjs"),
        "run",
        "-q",
        "--",
        "sh",
        "-c",
        "echo begun; sleep 1000"
      ]
      const npm = spawn("sh", ["-c", '"$@" & wait', "sh", ...command], {
        cwd: checkout.root,
        env: { PATH: process.env["PATH"], HOME: checkout.root, npm_lifecycle_event: "start", INIT_CWD: "/usr" },
        stdio: ["ignore", "pipe", "ignore"]
      })
      // All who hold its standard output have ended when it is closed.
      const closed = new Promise<void>((resolve) => npm.on("close", () => resolve()))
      await new Promise<void>((resolve) => npm.stdout.once("data", () => resolve()))
      npm.kill("SIGKILL")
      await closed
      const left = await Effect.runPromise(Survivors.find(Path.basename(checkout.root)))
      assert.deepStrictEqual(left, { processes: [], mounts: [], namespaces: [], sockets: [] })
    }))

  it("says why an install fails, and not where packages come from", () =>
    inCheckout(async (checkout) => {
      Fs.rmSync(checkout.path("node_modules/.bottle-installed"))
      const manifest = checkout.path("package.json")
      Fs.writeFileSync(manifest, Fs.readFileSync(manifest, "utf8").replace(/"pnpm@[^"]+"/, `"pnpm@10.0.999"`))
      const env = {
        npm_config_registry: "http://127.0.0.1:9/",
        npm_config_fetch_retries: "0",
        npm_config_loglevel: "silent"
      }
      const failed = await checkout.start(["--version"], env)
      assert.strictEqual(failed.code, 1)
      assert.strictEqual(failed.stdout, "")
      assert.match(
        failed.stderr,
        /^bottle: installing the dependencies, once \.\.\.\nbottle: the install failed:\n[^]*ECONNREFUSED/
      )
      assert.notInclude(failed.stderr, "127.0.0.1:9/")
    }))
})
