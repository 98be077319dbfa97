// One install or build at a time in a checkout. The lock is a file with its holder's pid; a holder that died is noticed
// by its pid, one that lost its machine by the file's age.
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { root } from "../packages/cli/scripts/stamp.mjs"

const FILE = path.join(root, "node_modules/.bottle-lock")
const POLL_MILLIS = 100
const BEAT_MILLIS = 2000
const STALE_MILLIS = 60_000

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

const holder = () => {
  try {
    return { text: fs.readFileSync(FILE, "utf8"), mtimeMs: fs.statSync(FILE).mtimeMs }
  } catch {
    return undefined
  }
}

const tryTake = (text) => {
  // Written aside and linked: the lock is never seen without its holder's name.
  const aside = `${FILE}.${process.pid}`
  fs.writeFileSync(aside, text)
  try {
    fs.linkSync(aside, FILE)
    return true
  } catch (error) {
    if (error.code === "EEXIST") return false
    throw error
  } finally {
    fs.rmSync(aside, { force: true })
  }
}

const breakStale = (seen) => {
  const aside = `${FILE}.${process.pid}.stale`
  try {
    fs.renameSync(FILE, aside)
    // Two waiters may find the same dead holder; the slower one has just moved the lock of the quicker one: put it back.
    if (fs.readFileSync(aside, "utf8") !== seen.text) fs.linkSync(aside, FILE)
  } catch {
    // Somebody else was quicker at every turn: look again.
  } finally {
    fs.rmSync(aside, { force: true })
  }
}

/** Runs the work while no other process of this checkout runs its own. */
export const withLock = async (work) => {
  fs.mkdirSync(path.dirname(FILE), { recursive: true })
  const text = `${process.pid} ${Date.now()} ${Math.random()}`
  while (!tryTake(text)) {
    const seen = holder()
    if (seen !== undefined) {
      const stale = !isAlive(Number.parseInt(seen.text, 10)) || Date.now() - seen.mtimeMs > STALE_MILLIS
      if (stale) breakStale(seen)
    }
    await delay(POLL_MILLIS)
  }
  const beat = setInterval(() => {
    const now = new Date()
    fs.utimes(FILE, now, now, () => {})
  }, BEAT_MILLIS)
  const release = () => {
    if (holder()?.text === text) fs.rmSync(FILE, { force: true })
  }
  process.once("exit", release)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    process.off("exit", release)
    release()
  }
}
