// `npm test`: install, build, check, lint, format, and every test; the last line counts them.
if (Number(process.versions.node.split(".")[0]) < 20) {
  process.stderr.write(`bottle needs Node 20 or newer, and this is Node ${process.versions.node}\n`)
  process.stdout.write("0 passed, 1 failed, 0 skipped\n")
  process.exit(1)
}

const fs = await import("node:fs")
const os = await import("node:os")
const path = await import("node:path")
const { ensureBuilt, ensureInstalled, plainEnvironment, run, StepFailed } = await import("./workspace.mjs")
const { root } = await import("../packages/cli/scripts/stamp.mjs")

const say = (line) => process.stdout.write(`\n== ${line}\n`)
const bin = (name) => path.join(root, "node_modules/.bin", name)
const counts = { passed: 0, failed: 0, skipped: 0, skips: [] }
const failures = []

const fail = (what, why) => {
  counts.failed += 1
  failures.push(what)
  if (why !== undefined && why !== "") process.stdout.write(`${why.trimEnd()}\n`)
  process.stdout.write(`${what}: failed\n`)
}

/** A step that prints nothing when all is well: with `silent`, any output of it is a failure. */
const step = async (what, program, args, { silent = false } = {}) => {
  say(what)
  const started = Date.now()
  const { code, output } = await run(program, args)
  if (code !== 0 || (silent && output.trim() !== "")) fail(what, output)
  else process.stdout.write(`${what}: passed in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
}

const check = async () => {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  const [program, ...args] = scripts.check.split(" ")
  // All anew: a diagnostic that is only a warning is printed once and then lost to an incremental run.
  await step("check", bin(program), [...args, "--force"], { silent: true })
}

/** Projects whose files share the modules of their worker: loading them anew for each took a third of their time. */
const SHARING = ["process", "smolvm", "egress"]

const tests = async (args) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "bottle-counts-"))
  const file = path.join(directory, "counts.json")
  try {
    const env = { ...plainEnvironment(), BOTTLE_TEST_COUNTS: file }
    // Two at least: much of what the tests do is to wait for other processes.
    const workers = `--maxWorkers=${Math.max(2, os.cpus().length - 1)}`
    const reporter = `--reporter=${path.join(root, ".dev/reporter.mjs")}`
    const always = ["run", workers, "--minWorkers=1", "--reporter=default", reporter]
    const { code } = await run(bin("vitest"), [...always, ...args], { env, stream: true })
    const found = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : undefined
    if (found === undefined) return fail("tests", "vitest ended without a count")
    counts.passed += found.passed
    counts.failed += found.failed
    counts.skipped += found.skipped
    counts.skips.push(...found.skips)
    if (found.failed > 0) failures.push("tests")
    else if (code !== 0) fail("tests", `vitest ended with exit code ${code}`)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

const allTests = async () => {
  say("tests")
  const args = process.argv.slice(2)
  if (args.length > 0) return tests(args)
  const others = fs.readdirSync(path.join(root, "packages")).filter((name) => !SHARING.includes(name))
  await tests(["--isolate=false", ...SHARING.map((name) => `--project=${name}`)])
  await tests(others.map((name) => `--project=${name}`))
}

const all = async () => {
  say("install and build")
  const tell = (line) => process.stdout.write(`${line}\n`)
  await ensureInstalled(tell)
  await ensureBuilt(tell)
  process.stdout.write("install and build: passed\n")
  await check()
  await step("lint", bin("oxlint"), ["--deny-warnings"])
  await step("format", bin("oxfmt"), ["--check"])
  await allTests()
}

try {
  await all()
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  fail("install and build", error.message)
}

if (counts.skips.length > 0) {
  say("skipped")
  for (const { name, reason } of counts.skips) {
    process.stdout.write(`${name}${reason === null ? "" : `: ${reason}`}\n`)
  }
}
if (failures.length > 0) say(`failed: ${failures.join(", ")}`)
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
process.exitCode = counts.failed > 0 || failures.length > 0 ? 1 : 0
